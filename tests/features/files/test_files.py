"""Files in a chat: sent once, shown to those who see the message, and read at an address that runs out."""

from __future__ import annotations

import io
import json
import re
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bson import ObjectId
from flask import Flask
from PIL import Image
from pymongo.collection import Collection

from chatsupport.contract import schemas
from chatsupport.contract.chat import Message as ShownMessage
from chatsupport.database import connection
from chatsupport.database.clock import now, timestamp
from chatsupport.documents import Message
from chatsupport.errors import RateLimitedError
from chatsupport.extensions import settings
from chatsupport.features.files import attachments, pictures, storage
from chatsupport.features.files.documents import FileChunk, StoredFile
from chatsupport.features.files.options import CSV, PNG
from chatsupport.features.files.personal_data import PERSONAL_DATA
from chatsupport.features.files.uploads import AT_ONCE, AT_ONCE_FROM, UnderWay
from chatsupport.services.messages import message_log
from tests.api import Api, Apis, assert_failure, data_of
from tests.applications import MakeApp
from tests.concurrency import run_together
from tests.features.files.samples import DAMAGED, GOOD, PDF, REFUSED, SECRET, animation, archive, photo, picture
from tests.features.files.sending import read, send_file, sent
from tests.interleaving import just_before, lose_reply
from tests.sockets import Socket


def history(api: Api, session_id: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = data_of(api.get(f"/api/chat/messages/{session_id}"))["messages"]
    return messages


def nothing_is_stored() -> bool:
    return not StoredFile.collection().count_documents({}) and not FileChunk.collection().count_documents({})


# Sending


@pytest.mark.parametrize("media_type", GOOD)
def test_a_file_of_each_type_is_sent_and_read(user: Api, session_id: str, media_type: str) -> None:
    content = GOOD[media_type]

    message = sent(user, session_id, content, "Bericht 1.bin")

    attachment = message["attachment"]
    assert (attachment["type"], attachment["state"], attachment["alt"]) == (media_type, "ready", None)
    assert attachment["id"] == message["id"]
    assert message["message"] == attachment["name"] == "Bericht 1.bin"
    answer = read(user, attachment["url"])
    assert answer.status_code == 200
    assert answer.mimetype == media_type
    assert len(answer.data) == attachment["size"]
    if media_type.startswith("image/"):
        assert Image.open(io.BytesIO(answer.data)).size == (64, 32)
    else:
        assert answer.data == content


def test_the_name_only_tells_csv_from_plain_text(user: Api, session_id: str) -> None:
    types = {
        name: sent(user, session_id, content, name)["attachment"]["type"]
        for name, content in {"a.csv": b"a;b\n", "b.png": b"a;b\n", "c.csv": picture(), "d.CSV": b"1,2"}.items()
    }
    assert types == {"a.csv": "text/csv", "b.png": "text/plain", "c.csv": "image/png", "d.CSV": "text/csv"}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_of_no_allowed_type_is_refused(user: Api, session_id: str, what: str) -> None:
    for name in ("photo.png", "a.txt"):
        assert_failure(send_file(user, session_id, REFUSED[what], name), 415, "FILE_TYPE_NOT_ALLOWED")
    assert nothing_is_stored()
    assert history(user, session_id) == []


@pytest.mark.parametrize("what", DAMAGED)
def test_what_its_own_type_cannot_read_is_refused(user: Api, session_id: str, what: str) -> None:
    assert_failure(send_file(user, session_id, DAMAGED[what]), 400, "INVALID_FILE")
    assert nothing_is_stored()


def test_an_empty_file_is_refused(user: Api, session_id: str) -> None:
    assert_failure(send_file(user, session_id, b""), 400, "INVALID_FILE")


def test_a_message_with_a_file_behaves_like_every_other(
    user: Api, agent_socket: Socket, session_id: str, apis: Apis, ada: str
) -> None:
    assert user.send(session_id, "before").status_code == 201

    message = sent(user, session_id, PDF, "a.pdf", message="  The invoice ", alt="An invoice", clientMessageId="m-1")

    assert (message["seq"], message["message"], message["clientMessageId"]) == (2, "The invoice", "m-1")
    assert (message["senderId"], message["senderType"]) == ("u1", "user")
    assert message["attachment"]["alt"] == "An invoice"
    assert agent_socket.heard("new_message")[-1] == message
    assert history(apis.agent(ada), session_id)[-1] == message
    assert set(schemas.of(ShownMessage)["properties"]) >= message.keys()


def test_an_operator_sends_for_others(operator: Api, session_id: str, ada: str) -> None:
    message = sent(operator, session_id, PDF, senderId=ada, senderType="agent")

    assert (message["senderId"], message["senderType"]) == (ada, "agent")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("message", "\u200b", "INVALID_MESSAGE"),
        ("message", "x" * 1001, "MESSAGE_TOO_LONG"),
        ("alt", "x" * 301, "INVALID_FILE"),
        ("clientMessageId", "x" * 65, "INVALID_CLIENT_MESSAGE_ID"),
        ("senderType", "robot", "INVALID_SENDER_TYPE"),
    ],
)
def test_a_wrong_field_is_named(user: Api, session_id: str, field: str, value: str, code: str) -> None:
    failure = assert_failure(send_file(user, session_id, PDF, **{field: value}), 400, code)

    assert [detail["field"] for detail in failure["details"]] == [field]
    assert nothing_is_stored()


def test_nobody_sends_in_another_name(user: Api, session_id: str) -> None:
    assert_failure(send_file(user, session_id, PDF, senderId="u2"), 403, "FORBIDDEN")
    assert nothing_is_stored()


def test_only_those_in_the_session_send_files(apis: Apis, operator: Api, session_id: str, ben: str) -> None:
    for stranger in (apis.user("u2"), apis.agent(ben)):
        assert_failure(send_file(stranger, session_id, PDF), 403, "FORBIDDEN")
    assert_failure(send_file(apis.anonymous(), session_id, PDF), 401, "AUTH_REQUIRED")
    for unknown in ("none", str(ObjectId())):
        assert_failure(send_file(operator, unknown, PDF), 404, "SESSION_NOT_FOUND")


def test_an_ended_session_takes_no_files_but_repeats_its_own(user: Api, session_id: str) -> None:
    first = sent(user, session_id, PDF, clientMessageId="m-1")
    user.end(session_id)

    again = send_file(user, session_id, PDF, clientMessageId="m-1")

    assert again.status_code == 200
    assert data_of(again)["message"]["id"] == first["id"]
    assert_failure(send_file(user, session_id, PDF, clientMessageId="m-2"), 409, "SESSION_ENDED")
    assert StoredFile.collection().count_documents({}) == 1


def test_a_session_that_ends_meanwhile_keeps_nothing(
    apis: Apis, user: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_before(monkeypatch, message_log.log, "append", lambda: apis.user("u1").end(session_id))

    assert_failure(send_file(user, session_id, PDF), 409, "SESSION_ENDED")
    assert nothing_is_stored()


def test_two_uploads_with_one_id_are_one_message_and_one_file(app: Flask, session_id: str) -> None:
    def upload() -> Any:
        return send_file(Apis(app).user("u1"), session_id, picture(), clientMessageId="m-1")

    answers = run_together(*[upload] * 4)

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({data_of(answer)["messageId"] for answer in answers}) == 1
    assert StoredFile.collection().count_documents({}) == 2, "the picture and its thumbnail"
    assert FileChunk.collection().count_documents({}) == 2


def test_the_header_may_name_the_client_s_id(user: Api, session_id: str) -> None:
    keyed = Api(user.client, {**user.headers, "Idempotency-Key": "m-7"})

    assert sent(keyed, session_id, PDF)["clientMessageId"] == "m-7"
    assert send_file(keyed, session_id, PDF).status_code == 200


# Limits


def test_a_file_that_is_too_large_is_refused(make_app: MakeApp) -> None:
    app = make_app(of_features={"MAX_FILE_BYTES": 2000})
    operator = Apis(app).operator()
    session_id = operator.start("u1")["sessionId"]
    user = Apis(app).user("u1")

    assert sent(user, session_id, b"x" * 2000)["attachment"]["size"] == 2000
    failure = assert_failure(send_file(user, session_id, b"x" * 2001), 413, "FILE_TOO_LARGE")
    assert "2000" in failure["message"]
    assert_failure(send_file(user, session_id, b"x" * 900_000), 413, "FILE_TOO_LARGE")
    assert StoredFile.collection().count_documents({}) == 1


def test_other_calls_keep_their_smaller_limit(user: Api, session_id: str) -> None:
    assert sent(user, session_id, b"x" * 300_000)["attachment"]["size"] == 300_000
    assert_failure(user.send(session_id, "x" * 300_000), 413, "PAYLOAD_TOO_LARGE")


def test_a_session_has_only_so_many_files(make_app: MakeApp) -> None:
    app = make_app(of_features={"FILES_PER_SESSION": 3})
    session_id = Apis(app).operator().start("u1")["sessionId"]
    user = Apis(app).user("u1")
    first = sent(user, session_id, picture(), clientMessageId="m-1")

    answers = run_together(*[lambda: send_file(Apis(app).user("u1"), session_id, PDF)] * 6)

    created = [answer for answer in answers if answer.status_code == 201]
    assert len(created) == 2
    for answer in answers:
        if answer not in created:
            assert_failure(answer, 409, "TOO_MANY_FILES")
    assert StoredFile.collection().count_documents({}) == 2 + len(created)
    again = send_file(user, session_id, picture(), clientMessageId="m-1")
    assert data_of(again)["messageId"] == first["id"]


def test_files_are_limited_by_caller_and_their_bytes_by_address(make_app: MakeApp) -> None:
    app = make_app(rate_limits=True, rate_limit_files="2/minute", rate_limit_file_bytes="655360/hour")
    session_id = Apis(app).operator().start("u1")["sessionId"]
    other_id = Apis(app).operator().start("u2")["sessionId"]
    user, other = Apis(app).user("u1"), Apis(app).user("u2")

    sent(user, session_id, PDF)
    sent(user, session_id, PDF)
    limited = assert_failure(send_file(user, session_id, PDF), 429, "RATE_LIMITED")
    assert limited["message"].startswith("Too many files.")
    limited = assert_failure(send_file(other, other_id, b"x" * 600_000), 429, "RATE_LIMITED")
    assert "bytes" in limited["message"]


def test_uploads_at_once_are_bounded_by_address_but_not_those_of_operators() -> None:
    under_way = UnderWay()
    assert AT_ONCE_FROM > 10  # What a caller may send in a minute, it may send at once.
    with ExitStack() as uploads:
        for _ in range(AT_ONCE_FROM):
            uploads.enter_context(under_way.one("192.0.2.1"))
        with pytest.raises(RateLimitedError):
            uploads.enter_context(under_way.one("192.0.2.1"))
        for _ in range(AT_ONCE - AT_ONCE_FROM):
            uploads.enter_context(under_way.one(None))
        with pytest.raises(RateLimitedError):
            uploads.enter_context(under_way.one(None))
    with under_way.one("192.0.2.1"):
        pass


def test_only_the_configured_types_are_taken(make_app: MakeApp) -> None:
    app = make_app(of_features={"FILE_TYPES": (PNG, CSV)})
    session_id = Apis(app).operator().start("u1")["sessionId"]
    user = Apis(app).user("u1")

    sent(user, session_id, picture())
    sent(user, session_id, b"1,2", "a.csv")
    failure = assert_failure(send_file(user, session_id, picture("JPEG")), 415, "FILE_TYPE_NOT_ALLOWED")
    assert "png, csv" in failure["message"]


def test_without_files_there_is_nothing(make_app: MakeApp) -> None:
    values: dict[str, Any] = {}
    app = make_app(of_features=values)
    session_id = Apis(app).operator().start("u1")["sessionId"]
    user = Apis(app).user("u1")
    url = sent(user, session_id, PDF)["attachment"]["url"]

    values["FILES"] = False

    assert_failure(send_file(user, session_id, PDF), 404, "NOT_FOUND")
    assert_failure(read(user, url), 404, "NOT_FOUND")
    assert "url" not in history(user, session_id)[0]["attachment"]


# Names


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\photo.png", "photo.png"),
        ("a\r\nSet-Cookie: x.txt", "aSet-Cookie: x.txt"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("\u2066\u200b\u200f", "file.pdf"),
        ("..", "file.pdf"),
        ("\U0001f600" * 63, "\U0001f600" * 63),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ("  a   b.pdf ", "a b.pdf"),
        ("Grüße \u201eneu\u201c.pdf", "Grüße \u201eneu\u201c.pdf"),
        ("<img src=x onerror=alert(1)>.pdf", "<img src=x onerror=alert(1)>.pdf"),
        ('a"; filename=b.exe', 'a"; filename=b.exe'),
    ],
)
def test_a_name_is_one_line_that_hides_nothing(user: Api, session_id: str, given: str, shown: str) -> None:
    quoted = given.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "%0D").replace("\n", "%0A")
    body = (
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'.encode()
        + PDF
        + b"\r\n--b--\r\n"
    )
    response = user.client.post(
        f"/api/chat/files/{session_id}",
        data=body,
        content_type="multipart/form-data; boundary=b",
        headers=user.headers,
    )
    assert response.status_code == 201, response.json
    attachment = data_of(response)["message"]["attachment"]
    if "%0D" not in quoted:
        assert attachment["name"] == shown
    disposition = read(user, attachment["url"]).headers["Content-Disposition"]
    assert disposition.isascii()
    assert disposition.startswith('attachment; filename="')
    assert re.fullmatch(r"attachment; filename=\"[ -~]*\"; filename\*=UTF-8''[!-~]+", disposition)
    assert "\r" not in disposition
    assert "\n" not in disposition


def test_a_saved_text_cannot_be_a_program(user: Api, session_id: str) -> None:
    attachment = sent(user, session_id, b"del *.*", "run.bat")["attachment"]

    assert attachment["name"] == "run.bat"
    assert 'filename="run.bat.txt"' in read(user, attachment["url"]).headers["Content-Disposition"]


# Pictures


def test_a_photo_is_turned_upright_and_tells_no_place(user: Api, session_id: str) -> None:
    attachment = sent(user, session_id, photo(), "IMG_1.jpg")["attachment"]

    assert (attachment["width"], attachment["height"]) == (32, 64)
    for url in (attachment["url"], attachment["thumbnailUrl"]):
        content = read(user, url).data
        image = Image.open(io.BytesIO(content))
        assert not image.getexif()
        assert SECRET not in content
        top, bottom = image.convert("RGB").getpixel((16, 8)), image.convert("RGB").getpixel((16, 56))
        assert top[0] > 200 > bottom[0], "red on top"  # type: ignore[index,operator]


def test_a_thumbnail_is_small(user: Api, session_id: str) -> None:
    attachment = sent(user, session_id, picture("PNG", (2000, 500)))["attachment"]

    thumbnail = read(user, attachment["thumbnailUrl"])
    assert Image.open(io.BytesIO(thumbnail.data)).size == (480, 120)
    assert thumbnail.mimetype == "image/jpeg"
    assert (attachment["width"], attachment["height"]) == (2000, 500)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_pictures_of_all_modes_are_taken(user: Api, session_id: str, mode: str) -> None:
    image = Image.new(mode, (10, 10))
    to = io.BytesIO()
    image.save(to, "PNG")

    attachment = sent(user, session_id, to.getvalue())["attachment"]

    assert Image.open(io.BytesIO(read(user, attachment["url"]).data)).mode == mode
    assert read(user, attachment["thumbnailUrl"]).mimetype == ("image/png" if "A" in mode else "image/jpeg")


def test_a_printer_s_jpeg_becomes_one_for_screens(user: Api, session_id: str) -> None:
    to = io.BytesIO()
    Image.new("CMYK", (10, 10)).save(to, "JPEG")

    attachment = sent(user, session_id, to.getvalue())["attachment"]

    assert Image.open(io.BytesIO(read(user, attachment["url"]).data)).mode == "RGB"


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_stays_one_without_its_comments(user: Api, session_id: str, kind: str) -> None:
    attachment = sent(user, session_id, animation(kind))["attachment"]

    content = read(user, attachment["url"]).data
    image: Any = Image.open(io.BytesIO(content))
    assert image.n_frames == 3
    image.load()
    assert image.info["duration"] == 120
    assert SECRET not in content


def test_an_animation_with_too_many_pixels_is_refused(
    user: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MAX_IMAGE_PIXELS", 20 * 10 * 5)

    sent(user, session_id, animation(frames=5))
    assert_failure(send_file(user, session_id, animation(frames=6)), 400, "INVALID_FILE")


def test_nothing_is_left_of_what_is_behind_a_picture(user: Api, session_id: str) -> None:
    for kind in ("PNG", "JPEG", "GIF", "WEBP"):
        for content in (picture(kind) + SECRET, picture(kind) + archive(SECRET.decode())):
            url = sent(user, session_id, content)["attachment"]["url"]
            assert SECRET not in read(user, url).data


# Reading


def test_a_file_is_answered_so_that_no_browser_runs_it(user: Api, session_id: str) -> None:
    shown = {"image/png": "inline", "video/mp4": "inline", "audio/mpeg": "inline"}
    for media_type, content in GOOD.items():
        answer = read(user, sent(user, session_id, content)["attachment"]["url"])

        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["Cache-Control"].startswith("private, max-age=")
        assert "Origin" in answer.headers["Vary"]
        disposition = answer.headers["Content-Disposition"].partition(";")[0]
        assert disposition == ("inline" if media_type.split("/")[0] in ("image", "audio", "video") else "attachment")
        assert disposition == shown.get(media_type, disposition)


def test_a_browser_that_has_the_file_gets_it_once(user: Api, session_id: str) -> None:
    url = sent(user, session_id, PDF)["attachment"]["url"]
    first = read(user, url)

    again = read(user, url, **{"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    head = user.client.head(url)
    assert (head.status_code, head.data, head.content_length) == (200, b"", len(PDF))


@pytest.mark.parametrize(
    ("wanted", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=-5", -5, None),
        ("bytes=600000-", 600_000, None),
        (f"bytes={255 * 1024 - 2}-{255 * 1024 + 2}", 255 * 1024 - 2, 255 * 1024 + 3),
        ("bytes=5-99999999", 5, None),
    ],
)
def test_a_part_of_a_file_is_read(user: Api, session_id: str, wanted: str, begin: int, end: int | None) -> None:
    content = bytes(range(1, 128)) * 5000
    url = sent(user, session_id, content)["attachment"]["url"]

    answer = read(user, url, Range=wanted)

    assert answer.status_code == 206
    assert answer.data == content[begin:end]
    assert answer.headers["Content-Range"].endswith(f"/{len(content)}")
    assert answer.content_length == len(content[begin:end])


@pytest.mark.parametrize("wanted", ["bytes=700000-", "bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=x"])
def test_a_range_that_makes_no_sense_gets_all(user: Api, session_id: str, wanted: str) -> None:
    url = sent(user, session_id, PDF)["attachment"]["url"]

    answer = read(user, url, Range=wanted)

    assert (answer.status_code, answer.data) == (200, PDF)


def test_an_address_is_good_for_its_file_and_time_only(user: Api, session_id: str) -> None:
    one, two = (sent(user, session_id, PDF)["attachment"] for _ in range(2))
    query = parse_qs(urlsplit(one["url"]).query)
    expires, signature = query["expires"][0], query["signature"][0]

    def address(file_id: str = one["id"], expires: str = expires, signature: str = signature) -> str:
        return f"/api/files/{file_id}?expires={expires}&signature={signature}"

    assert read(user, address()).status_code == 200
    for wrong in (
        f"/api/files/{one['id']}",
        address(file_id=two["id"]),
        address(file_id=str(ObjectId())),
        address(file_id="x"),
        address(expires=str(int(expires) + 1)),
        address(expires=f"{expires}0"),
        address(expires=f"%20{expires}"),
        address(signature=""),
        address(signature=f"{signature}="),
        address(signature=f"{signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}"),
        address(signature="%F0%9F%98%80"),
        address(signature="%ff"),
    ):
        assert_failure(read(user, wrong), 404, "FILE_NOT_FOUND")


def test_an_address_runs_out(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(of_features={"FILE_URL_SECONDS": 100})
    session_id = Apis(app).operator().start("u1")["sessionId"]
    user = Apis(app).user("u1")
    url = sent(user, session_id, PDF)["attachment"]["url"]

    monkeypatch.setattr(attachments, "timestamp", lambda: timestamp() + 60)
    assert read(user, url).status_code == 200
    monkeypatch.setattr(attachments, "timestamp", lambda: timestamp() + 101)
    assert_failure(read(user, url), 404, "FILE_NOT_FOUND")
    fresh = history(user, session_id)[0]["attachment"]["url"]
    assert read(user, fresh).status_code == 200


def test_an_address_survives_a_change_of_the_secret(make_app: MakeApp) -> None:
    app = make_app()
    session_id = Apis(app).operator().start("u1")["sessionId"]
    user = Apis(app).user("u1")
    url = sent(user, session_id, PDF)["attachment"]["url"]
    old = settings.config.jwt_secret
    settings.bind(replace(settings.config, jwt_secret="another secret, which is as long as the first one"))
    assert_failure(read(user, url), 404, "FILE_NOT_FOUND")
    settings.bind(replace(settings.config, jwt_secret_previous=old))
    assert read(user, url).status_code == 200


def test_the_address_names_the_public_url(make_app: MakeApp) -> None:
    app = make_app(public_url="https://chat.example.com/chat", base_path="/chat")
    session_id = Apis(app).operator().start("u1")["sessionId"]
    user = Apis(app).user("u1")

    url = sent(user, session_id, PDF)["attachment"]["url"]

    assert url.startswith("https://chat.example.com/chat/api/files/")
    assert read(user, url.removeprefix("https://chat.example.com")).status_code == 200


# Forms


def form(*parts: tuple[str, bytes], end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--b\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n" for head, body in parts) + end


FILE_PART = ('Content-Disposition: form-data; name="file"; filename="a.pdf"', PDF)
FORMS = {
    "no parts": form(),
    "nothing": b"",
    "no file": form(('Content-Disposition: form-data; name="message"', b"hello")),
    "a file without a file name": form(('Content-Disposition: form-data; name="file"', PDF)),
    "no end": form(FILE_PART, end=b""),
    "cut off": form(FILE_PART)[:-20],
    "two files": form(FILE_PART, FILE_PART),
    "10 000 parts": form(*[('Content-Disposition: form-data; name="x"', b"")] * 10_000, FILE_PART),
    "a long field": form(('Content-Disposition: form-data; name="message"', b"x" * 100_000), FILE_PART),
    "long headers": form((f"X: {'x' * 200_000}", b""), FILE_PART),
    "headers that are no text": b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--b--\r\n',
    "no disposition": form(("Content-Type: text/plain", b"x"), FILE_PART),
    "an endless beginning": b"x" * 500_000,
    "an endless end": form(FILE_PART) + b"x" * 500_000,
    "nested": form(
        ("Content-Type: multipart/mixed; boundary=c", b"--c\r\n" + FILE_PART[0].encode() + b"\r\n\r\nx\r\n--c--")
    ),
}


@pytest.mark.parametrize("what", FORMS)
def test_a_broken_form_is_refused(user: Api, session_id: str, what: str) -> None:
    response = user.client.post(
        f"/api/chat/files/{session_id}",
        data=FORMS[what],
        content_type="multipart/form-data; boundary=b",
        headers=user.headers,
    )
    assert_failure(response, 400, "INVALID_FILE")
    assert nothing_is_stored()


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
    ],
)
def test_only_a_form_is_taken(user: Api, session_id: str, content_type: str) -> None:
    response = user.client.post(
        f"/api/chat/files/{session_id}", data=form(FILE_PART), content_type=content_type, headers=user.headers
    )
    assert_failure(response, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("boundary", ["", "boundary=", "boundary=" + "x" * 300, "boundary=\u00e4", 'boundary="b'])
def test_a_form_names_its_boundary(user: Api, session_id: str, boundary: str) -> None:
    response = user.client.post(
        f"/api/chat/files/{session_id}",
        data=form(FILE_PART) if boundary != 'boundary="b' else b"",
        content_type=f"multipart/form-data; {boundary}",
        headers=user.headers,
    )
    assert_failure(response, 400, "INVALID_FILE")


# What is left


def test_a_killed_upload_is_swept_and_a_stored_message_keeps_its_file(
    user: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def kill(*_: object) -> None:
        raise KilledError

    for place, name in ((storage, "write"), (message_log.log, "append"), (storage, "keep")):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, kill)
            with pytest.raises(KilledError):
                send_file(user, session_id, picture())
    assert StoredFile.collection().count_documents({"metadata.isKept": False}) == 6

    storage.sweep()
    assert StoredFile.collection().count_documents({}) == 6, "too early"
    long_ago = {"uploadDate": now() - storage.ABANDONED_AFTER - timedelta(seconds=1)}
    StoredFile.collection().update_many({}, {"$set": long_ago})
    storage.sweep()

    (message,) = history(user, session_id)
    assert read(user, message["attachment"]["url"]).status_code == 200
    assert StoredFile.collection().count_documents({"metadata.isKept": True}) == 2
    assert StoredFile.collection().count_documents({}) == FileChunk.collection().count_documents({}) == 2


def test_a_file_stays_while_nobody_knows_whether_its_message_was_stored(
    user: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_reply(monkeypatch, "messages", "insert_one")
    assert_failure(send_file(user, session_id, PDF, clientMessageId="m-1"), 503, "DATABASE_UNAVAILABLE")

    (message,) = history(user, session_id)
    assert read(user, message["attachment"]["url"]).data == PDF
    again = send_file(user, session_id, PDF, clientMessageId="m-1")
    assert (again.status_code, data_of(again)["messageId"]) == (200, message["id"])


@pytest.mark.features("privacy")
def test_an_erasure_leaves_nothing_of_a_person_s_files(
    operator: Api, user: Api, apis: Apis, ada: str, session_id: str
) -> None:
    url = sent(user, session_id, picture(), "secret-name.png", message="secret caption", alt="secret alt")[
        "attachment"
    ]["url"]
    sent(apis.agent(ada), session_id, b"secret text", "secret-name.txt")
    other_id = operator.start("u2")["sessionId"]
    kept = sent(apis.user("u2"), other_id, PDF)

    data_of(operator.delete("/api/users/u1"))

    database = connection.database()
    for collection in ("fs.files", "fs.chunks", "messages", "sessions"):
        stored = str(list(database[collection].find()))
        assert "secret" not in stored
        assert "u1" not in re.sub(r"[0-9a-f]{24,}", "", stored)
    assert [row["_id"] for row in StoredFile.collection().find()] == [ObjectId(kept["id"])]
    assert FileChunk.collection().count_documents({}) == 1
    assert_failure(read(user, url), 404, "FILE_NOT_FOUND")
    assert [message.get("attachment") for message in history(operator, session_id)] == [None, None]


@pytest.mark.features("privacy")
def test_the_erasure_of_an_agent_takes_its_files(
    operator: Api, user: Api, apis: Apis, ada: str, session_id: str
) -> None:
    mine = sent(user, session_id, PDF)
    sent(apis.agent(ada), session_id, picture(), "secret.png")

    data_of(operator.delete(f"/api/users/{ada}?userType=agent"))

    assert [row["_id"] for row in StoredFile.collection().find()] == [ObjectId(mine["id"])]
    assert "attachment" in history(user, session_id)[0]
    assert "attachment" not in history(user, session_id)[1]


@pytest.mark.features("privacy")
def test_an_upload_during_an_erasure_leaves_nothing(
    operator: Api, user: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_before(monkeypatch, storage, "write", lambda: data_of(operator.delete("/api/users/u1")))

    assert_failure(send_file(user, session_id, PDF), 409, "SESSION_ENDED")
    assert nothing_is_stored()


@pytest.mark.features("privacy")
def test_files_go_with_their_session(operator: Api, user: Api, session_id: str) -> None:
    sent(user, session_id, picture())

    PERSONAL_DATA.delete_with_sessions([ObjectId(session_id)])

    assert nothing_is_stored()


@pytest.mark.features("privacy")
def test_an_export_has_the_files_as_addresses(operator: Api, user: Api, apis: Apis, ada: str, session_id: str) -> None:
    sent(user, session_id, PDF, "a.pdf")
    sent(apis.agent(ada), session_id, PDF, "b.pdf")

    exported = data_of(operator.get("/api/users/u1/export"))["sessions"][0]["messages"]

    assert [read(user, message["attachment"]["url"]).data for message in exported] == [PDF, PDF]
    of_agent = data_of(operator.get(f"/api/users/{ada}/export", userType="agent"))["sentMessages"]
    assert [message["attachment"]["name"] for message in of_agent] == ["b.pdf"]


@pytest.mark.features("transcripts")
def test_a_transcript_names_files_without_addresses(user: Api, session_id: str) -> None:
    sent(user, session_id, PDF, "plan.pdf", message="The plan")
    sent(user, session_id, picture(), "photo.png")

    for kind in ("text", "html", "json"):
        text = user.get(f"/api/chat/transcript/{session_id}", format=kind).text
        assert text.count("plan.pdf") == 1
        assert "photo.png" in text
        assert "signature" not in text


def test_a_guest_that_becomes_known_keeps_its_files(apis: Apis, operator: Api, agent: dict[str, Any]) -> None:
    guest = data_of(apis.anonymous().post("/api/auth/token", {"guest": True}))
    session_id = apis.bearer(guest["token"]).start(guest["userId"])["sessionId"]
    message = sent(apis.bearer(guest["token"]), session_id, PDF)

    data_of(apis.user("u1").post("/api/auth/identify", {"guestToken": guest["token"]}))

    assert [each["id"] for each in history(apis.user("u1"), session_id)] == [message["id"]]
    assert guest["userId"] not in json.dumps(list(StoredFile.collection().find()), default=str)


def test_addresses_are_not_stored(user: Api, session_id: str) -> None:
    sent(user, session_id, picture())

    assert "signature" not in str(list(Message.collection().find()))


def test_an_erasure_at_the_end_of_an_upload_leaves_no_bytes(
    user: Api, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = ObjectId(sent(user, session_id, PDF)["id"])
    StoredFile.collection().update_many({}, {"$set": {"metadata.isKept": False}})

    def end_the_upload() -> None:
        (file,) = StoredFile.collection().find({})
        FileChunk.collection().insert_one({"files_id": file["_id"], "n": 9, "data": b"late"})
        storage.keep(message_id)

    just_before(monkeypatch, Collection, "update_many", end_the_upload)
    storage.delete({"metadata.messageId": message_id})
    StoredFile.collection().update_many({}, {"$set": {"uploadDate": now() - timedelta(days=1)}})
    storage.sweep()

    assert nothing_is_stored()
