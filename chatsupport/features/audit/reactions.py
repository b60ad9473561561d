"""The audit entries that events cause."""

from __future__ import annotations

from bson import ObjectId

from chatsupport import serializers
from chatsupport.events import (
    Administered,
    AgentChanged,
    AgentCreated,
    AgentDeleted,
    Blocked,
    GuestIdentified,
    HistoryRead,
    OldSessionsDeleted,
    PersonErased,
    PersonExported,
    SessionAssigned,
    SessionEnded,
    SessionRequeued,
    SessionStarted,
    SessionTransferred,
    SessionUpdated,
    SettingsChanged,
    SignedIn,
    SignedOut,
    SignInFailed,
    Table,
    TokenIssued,
    TokensRevoked,
    Unblocked,
)
from chatsupport.features.audit import service as audit
from chatsupport.identity import AGENT, USER, Caller
from chatsupport.services.people import tombstones
from chatsupport.services.shared import access


def started(event: SessionStarted) -> None:
    """Record a start."""
    audit.record_change(audit.START, event)


def assigned(event: SessionAssigned) -> None:
    """Record an assignment."""
    audit.record_change(audit.ASSIGN, event)


def requeued(event: SessionRequeued) -> None:
    """Record that a session has left its agent."""
    audit.record_change(audit.REQUEUE, event, agent_id=event.agent_id, reason=event.reason)


def ended(event: SessionEnded) -> None:
    """Record an end."""
    audit.record_change(audit.END, event, reason=event.session.get("endReason"))


def updated(event: SessionUpdated) -> None:
    """Record which fields of a session staff have changed, without what they hold."""
    if event.caller is not None and access.is_staff(event.caller, event.session):
        session = event.session
        audit.record(
            audit.UPDATE,
            event.caller,
            session_id=session["_id"],
            agent_id=session.get("agentId"),
            user_id=session["userId"],
            user_type=session.get("userType", "user"),
            changed=", ".join(event.changed),
        )


def transferred(event: SessionTransferred) -> None:
    """Record that somebody has handed a session over."""
    from_agent_id = None if event.from_agent_id is None else str(event.from_agent_id)
    audit.record(
        audit.TRANSFER,
        event.caller,
        session_id=event.session_id,
        agent_id=event.agent_id,
        from_agent_id=from_agent_id,
        department_id=event.department,
    )


def read(event: HistoryRead) -> None:
    """Record that somebody reads a chat without taking part in it."""
    audit.record_reading(event.caller, event.session)


def agent_created(event: AgentCreated) -> None:
    """Record a new agent."""
    agent = event.agent
    audit.record(
        audit.AGENT_CREATED,
        event.caller,
        agent_id=agent["_id"],
        name=agent["name"],
        max_users=agent["maxUsers"],
        role=agent["role"],
        departments=_departments(serializers.department_ids(agent)) if "departmentIds" in agent else None,
    )


def agent_changed(event: AgentChanged) -> None:
    """Record the changes of an agent."""
    changes = event.changes
    audit.record(
        audit.AGENT_CHANGED,
        event.caller,
        agent_id=event.agent["_id"],
        name=changes.get("name"),
        max_users=changes.get("maxUsers"),
        is_online=changes.get("isOnline"),
        role=changes.get("role"),
        departments=_departments(changes["departmentIds"]) if "departmentIds" in changes else None,
        new_credentials=event.new_credentials or None,
    )


def _departments(department_ids: list[str] | None) -> str:
    return "all" if department_ids is None else ", ".join(department_ids) or "none"


def agent_deleted(event: AgentDeleted) -> None:
    """Record a deletion, once."""
    if event.agent is not None:
        audit.record(audit.AGENT_DELETED, event.caller, agent_id=event.agent_id, name=event.agent.get("name"))


def token_issued(event: TokenIssued) -> None:
    """Record that a token was made for an agent or a system."""
    audit.record(audit.TOKEN, event.caller, user_id=event.person.id, user_type=event.person.type)


def signed_in(event: SignedIn) -> None:
    """Record a sign-in."""
    audit.record(audit.SIGN_IN, event.person, address=event.address, agent_id=ObjectId(event.person.id))


def sign_in_failed(event: SignInFailed) -> None:
    """Record a failed sign-in, without the text that was typed: it may be a password in the wrong field."""
    audit.record(audit.SIGN_IN_FAILED, None, address=event.address, agent_id=event.agent_id, cause=event.cause)


def signed_out(event: SignedOut) -> None:
    """Record that an agent has signed out."""
    if event.caller.type == AGENT:
        audit.record(audit.SIGN_OUT, event.caller, agent_id=ObjectId(event.caller.id))


def revoked(event: TokensRevoked) -> None:
    """Record that a person's tokens have ended."""
    audit.record(audit.REVOKE, event.caller, user_id=event.person.id, user_type=event.person.type)


def identified(event: GuestIdentified) -> None:
    """Record that a guest has become a user."""
    caller = event.caller
    audit.record(audit.IDENTIFY, caller, user_id=caller.id, user_type=USER, guest_id=event.guest.id)


def blocked(event: Blocked) -> None:
    """Record a block."""
    denial = event.denial
    audit.record(
        audit.BLOCK,
        event.caller,
        user_id=denial.get("userId"),
        user_type=denial.get("userType"),
        blocked_address=denial.get("address"),
        reason=denial.get("reason"),
        expires_in_seconds=event.expires_in_seconds,
    )


def unblocked(event: Unblocked) -> None:
    """Record that a block was lifted. The id of an erased person is left out, because it is stored nowhere else."""
    user_id, user_type = event.denial.get("userId"), event.denial.get("userType")
    if user_id is not None and tombstones.is_erased(Caller(user_id, event.denial["userType"])):
        user_id = None
    audit.record(
        audit.UNBLOCK,
        event.caller,
        user_id=user_id,
        user_type=user_type,
        blocked_address=event.denial.get("address"),
    )


def erased(event: PersonErased) -> None:
    """Record an erasure, under the pseudonym."""
    audit.record(
        audit.ERASE,
        event.caller,
        user_id=event.pseudonym,
        user_type=event.person_type,
        sessions=event.sessions,
        messages=event.messages,
    )


def exported(event: PersonExported) -> None:
    """Record that somebody was given the data stored about a person."""
    audit.record(audit.EXPORT, event.caller, user_id=event.person_id, user_type=event.person_type)


def settings_changed(event: SettingsChanged) -> None:
    """Record that the settings were changed, and which of them."""
    audit.record(audit.SETTINGS_CHANGED, event.caller, version=event.version, changed=list(event.changed))


def old_deleted(event: OldSessionsDeleted) -> None:
    """Record that old sessions were deleted."""
    audit.record(audit.RETENTION, None, sessions=event.sessions, ended_before=serializers.iso(event.ended_before))


def administered(event: Administered) -> None:
    """Record what somebody has changed in another feature."""
    audit.record(event.action, event.caller, **event.details)


REACTIONS: Table = {
    SessionStarted: [started],
    SessionAssigned: [assigned],
    SessionRequeued: [requeued],
    SessionEnded: [ended],
    SessionUpdated: [updated],
    SessionTransferred: [transferred],
    HistoryRead: [read],
    AgentCreated: [agent_created],
    AgentChanged: [agent_changed],
    AgentDeleted: [agent_deleted],
    TokenIssued: [token_issued],
    SignedIn: [signed_in],
    SignInFailed: [sign_in_failed],
    SignedOut: [signed_out],
    TokensRevoked: [revoked],
    GuestIdentified: [identified],
    Blocked: [blocked],
    Unblocked: [unblocked],
    SettingsChanged: [settings_changed],
    PersonErased: [erased],
    PersonExported: [exported],
    OldSessionsDeleted: [old_deleted],
    Administered: [administered],
}
