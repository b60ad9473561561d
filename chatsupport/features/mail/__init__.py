"""Mails to visitors who have left the chat."""

from chatsupport.background import Every
from chatsupport.events import MessageStored, SessionUpdated
from chatsupport.feature import Feature
from chatsupport.features.mail import examination, jobs, links, parsers, routes, unread
from chatsupport.features.mail.documents import INDEXES, NAME, MailAddress, MailJob
from chatsupport.features.mail.personal_data import PERSONAL_DATA
from chatsupport.services.server.leases import HOUSEKEEPING

FEATURE = Feature(
    name=NAME,
    blueprint=routes.blueprint,
    documents=[MailJob, MailAddress],
    indexes=INDEXES,
    variables=[parsers.SMTP_URL, parsers.MAIL_FROM, parsers.MAIL_AFTER],
    reactions={MessageStored: [unread.message_stored], SessionUpdated: [unread.session_updated]},
    timed_work=[
        Every(unread.LOOK_SECONDS, unread.look),
        Every(unread.LOOK_AT_ALL_SECONDS, unread.look_at_all, under=HOUSEKEEPING),
        Every(jobs.LOOK_SECONDS, jobs.send_waiting),
        Every(jobs.RENEW_SECONDS, jobs.renew),
        Every(jobs.COUNT_SECONDS, jobs.count, under=HOUSEKEEPING),
    ],
    examinations={"mail": examination.mail_server},
    personal_data=PERSONAL_DATA,
    widget=links.of_widget,
)
