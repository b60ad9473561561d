"""The agents who answer. For API keys, systems and supervisors; an agent may read and change its own record."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from chatsupport import serializers
from chatsupport.blueprints.requests import caller
from chatsupport.blueprints.routing import AGENTS, MANAGERS, route
from chatsupport.contract.calls import Says
from chatsupport.contract.fields import AgentId
from chatsupport.contract.people import Agent, AgentChanges, AgentFields, AgentPage, Agents, Deleted
from chatsupport.errors import CredentialsError, EmailTakenError
from chatsupport.services.people import agents

blueprint = Blueprint("agents", __name__, url_prefix="/api/agents")

Json = dict[str, Any]


@route(blueprint.get(""), query=AgentPage, answers={200: Says("Agents", Agents)}, access=MANAGERS)
def list_agents(page: AgentPage) -> Json:
    """List the agents, sorted by name."""
    rows, cursor = agents.list_page(caller(), page)
    return serializers.page("agents", [serializers.agent(row) for row in rows], cursor)


@route(
    blueprint.post(""),
    body=AgentFields,
    answers={201: Says("Agent created", Agent)},
    errors=[EmailTakenError],
    access=MANAGERS,
)
def create_agent(fields: AgentFields) -> Json:
    """Make an agent.

    Waiting sessions get the agent's slots at once.
    """
    return serializers.agent(agents.create(caller(), fields))


@route(blueprint.get("/<agent_id>"), answers={200: Says("Agent", Agent)}, access=AGENTS)
def get_agent(agent_id: AgentId) -> Json:
    """Read an agent."""
    return serializers.agent(agents.read(caller(), agent_id))


@route(
    blueprint.patch("/<agent_id>"),
    body=AgentChanges,
    answers={200: Says("Agent changed", Agent)},
    errors=[EmailTakenError, CredentialsError],
    access=AGENTS,
)
def update_agent(agent_id: AgentId, changes: AgentChanges) -> Json:
    """Change an agent.

    An agent itself may change its `isOnline` and, with `currentPassword`, its password. A new email or password ends
    the agent's tokens, except the one of the request.
    """
    return serializers.agent(agents.update(caller(), agent_id, changes))


@route(blueprint.delete("/<agent_id>"), answers={200: Says("Agent deleted", Deleted)}, access=MANAGERS)
def delete_agent(agent_id: AgentId) -> Json:
    """Delete an agent.

    The agent's access ends at once, and its sessions go back to the queue.
    """
    return {"id": str(agents.delete(caller(), agent_id)["_id"])}
