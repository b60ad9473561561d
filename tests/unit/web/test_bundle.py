"""Modules are joined into one file: each keeps its own names, and follows the modules that it imports."""

from __future__ import annotations

import re

import pytest

from chatsupport.web import bundle
from chatsupport.web.assets import FOLDER, Assets, written

MAIN = bundle.CONSOLE_MAIN
STYLES = {f"console/styles/{name}.css": f"/* {name} */\n".encode() for name in bundle.CONSOLE_STYLES}


def joined(**modules: str) -> str:
    """Return the console's file, made of these modules of its folder."""
    files = {f"console/{name}.js": source.encode() for name, source in modules.items()}
    return bundle.bundled({**files, **STYLES})[bundle.CONSOLE].decode()


def test_each_module_appears_once_after_those_it_imports() -> None:
    main = 'import { b } from "./b.js";\nimport { a as first } from "./a.js";\n\nexport const booted = first + b;\n'
    text = joined(
        a="/** One.\n * @type {number} */\n// 1\nexport const a = 1; // *\n",
        b='import {\n  a,\n} from "./a.js";\nexport function b() {}\n',
        main=main,
    )

    assert text == (
        "const console_a = (() => {\nconst a = 1; // *\nreturn { a };\n})();\n\n"
        "const console_b = (() => {\nconst {\n  a,\n} = console_a;\nfunction b() {}\nreturn { b };\n})();\n\n"
        "const console_main = (() => {\nconst { b } = console_b;\nconst { a: first } = console_a;\n\n"
        "const booted = first + b;\nreturn { booted };\n})();\n\n"
        "export const { booted } = console_main;\n"
    )


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        ({"main": 'import { a } from "./a.js";\n', "a": 'import { booted } from "./main.js";\n'}, "imports itself"),
        ({"main": 'import * as all from "./a.js";\n'}, "not: import * as all"),
        ({"main": "export default 1;\n"}, "not: export default 1;"),
    ],
)
def test_a_module_that_cannot_be_joined_is_reported_at_once(modules: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        joined(**modules)


def test_every_module_and_style_of_the_console_is_in_its_files() -> None:
    files = written()
    # The first loads the rest, and shows a message if that fails. The browser starts the other one by itself.
    alone = {"console/boot.js", bundle.WORKER}
    modules = {path for path in files if path.startswith("console/") and path.endswith(".js")} - alone

    assert modules <= set(bundle.imported(MAIN, files)) | set(bundle.imported(bundle.SETTINGS_MAIN, files))
    assert {path.stem for path in FOLDER.glob("console/styles/*.css")} == set(bundle.CONSOLE_STYLES)


def test_the_worker_is_one_script() -> None:
    worker = bundle.bundled(written())[bundle.WORKER].decode()
    assert "notificationclick" in worker
    assert not re.search(r"^(import|export)\b", worker, re.MULTILINE)


def test_the_page_names_the_files_before_a_script_requests_them() -> None:
    assets = Assets()
    for client in (None, "https://cdn.example.com/io.js"):
        page = assets.fill("console/index.html", client).decode()
        named = re.findall(r'rel="modulepreload" href="([^"]+)"', page)
        assert named == [
            f"web/{assets.version}/{bundle.CONSOLE}",
            client or f"web/{assets.version}/vendor/socket.io.esm.min.js",
        ]
        assert f'name="socketio" content="{named[1]}"' in page


@pytest.mark.parametrize("main", [bundle.CHAT_MAIN, bundle.LOADER, *bundle.parts(written())])
def test_no_two_modules_in_one_function_have_the_same_name(main: str) -> None:
    files = written()
    declared = re.compile(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)", re.MULTILINE)
    modules = bundle.imported(main, files)
    names = [name for path in modules for name in declared.findall(files[path].decode())]

    assert modules
    assert sorted(names) == sorted(set(names))


def test_no_destructuring_from_a_value_in_brackets() -> None:
    # tdewolff-minify 2.24 puts `let { b } = (a)` in front of what declares `a`.
    wrong = re.compile(r"(?:const|let) [{\[][^=;]*\] ?= (?:/\*.*?\*/ )?\(|(?:const|let) \{[^=;]*\} = (?:/\*.*?\*/ )?\(")
    for path in [*FOLDER.glob("widget/*.js"), *FOLDER.glob("widget/parts/*.js")]:
        assert not wrong.search(path.read_text("utf-8")), path.name


def test_private_names_stand_for_nothing_that_browsers_or_servers_know() -> None:
    files = written()
    widget = [bundle.CHAT_MAIN, bundle.LOADER, *bundle.parts(files)]
    sources = {path: files[path].decode() for main in widget for path in bundle.imported(main, files)}
    code = {path: re.sub(r"^ *(//|/?\*).*|//.*$", "", source, flags=re.MULTILINE) for path, source in sources.items()}
    strings = " ".join(text for source in code.values() for text in re.findall(r'"[^"\n]*"', source))
    wire = set(re.findall(r"^  (\w+)\??:", (FOLDER / "shared/types.d.ts").read_text("utf-8"), re.MULTILINE))
    kept = set(re.findall(r"^  (\w+)\??:", interface("Kept") + interface("KeptInTab"), re.MULTILINE))

    assert not {*wire, *kept} & set(bundle.PRIVATE)
    for name in bundle.PRIVATE:
        assert any(re.search(rf"\b{name}\b", source) for source in code.values()), name
        assert not re.search(rf"\b{name}\b", re.sub(r"\./[^\"]*", "", strings)), name


def test_short_names_differ_and_stand_nowhere_in_the_modules() -> None:
    files = written()
    widget = [bundle.CHAT_MAIN, bundle.LOADER, *bundle.parts(files)]
    sources = {path: files[path].decode() for main in widget for path in bundle.imported(main, files)}
    texts = [bundle.texts(files[f"{folder}en.js"]) for folder in (bundle.TEXTS, bundle.WORDS)]
    words = set(re.findall(r"\w+", re.sub(r"//.*|\"[^\"\n]*\"", "", "\n".join(sources.values()))))

    # If two have the same, give the new one another name.
    for names, shorten in ((bundle.PRIVATE, bundle.short), (texts[0], bundle.short), (texts[1], bundle.short_word)):
        assert len({*map(shorten, names)}) == len(names)
    assert not {*map(bundle.short, bundle.PRIVATE)} & words


def test_a_new_name_or_text_changes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that was opened before an update has the former chat, and loads new parts."""
    files = written()
    before = bundle.bundled(files)
    monkeypatch.setattr(bundle, "PRIVATE", ["unheardOf", *bundle.PRIVATE])
    for path in files:
        if path.startswith((bundle.TEXTS, bundle.WORDS)):
            files[path] = files[path].replace(b"default {", b'default {\n  unheardOf: "Added",')
    after = bundle.bundled(files)

    for path in (bundle.CHAT, bundle.LOADER, *bundle.parts(files)):
        assert after[path] == before[path], path
    for path in files:
        if path.startswith((bundle.TEXTS, bundle.WORDS)):
            assert set(before[path].splitlines()) < set(after[path].splitlines())


def interface(name: str) -> str:
    """Return the lines of an interface in the widget's types."""
    types = (FOLDER / "widget/types.d.ts").read_text("utf-8")
    return types.partition(f"interface {name} {{")[2].partition("\n}")[0]
