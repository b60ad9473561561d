"""/api/agents. Needs a caller; the services want an API key, a system or a supervisor, or for its own record the agent
itself.
"""

from __future__ import annotations

from flask import Blueprint, Response

from chatsupport import payloads, serializers
from chatsupport.blueprints.requests import caller, json_body, require_caller, success
from chatsupport.services.people import agents

blueprint = Blueprint("agents", __name__, url_prefix="/api/agents")
blueprint.before_request(require_caller)


@blueprint.get("")
def list_agents() -> tuple[Response, int]:
    """Return every agent."""
    return success("Agents", {"agents": [serializers.agent(agent) for agent in agents.list_all(caller())]})


@blueprint.post("")
def create_agent() -> tuple[Response, int]:
    """Make an agent."""
    agent = agents.create(caller(), payloads.agent_fields(json_body()))
    return success("Agent created", serializers.agent(agent), 201)


@blueprint.get("/<agent_id>")
def get_agent(agent_id: str) -> tuple[Response, int]:
    """Return an agent."""
    return success("Agent", serializers.agent(agents.read(caller(), payloads.agent_id(agent_id))))


@blueprint.patch("/<agent_id>")
def update_agent(agent_id: str) -> tuple[Response, int]:
    """Change an agent."""
    agent = agents.update(caller(), payloads.agent_id(agent_id), payloads.agent_changes(json_body()))
    return success("Agent changed", serializers.agent(agent))


@blueprint.delete("/<agent_id>")
def delete_agent(agent_id: str) -> tuple[Response, int]:
    """Delete an agent."""
    deleted = agents.delete(caller(), payloads.agent_id(agent_id))
    return success("Agent deleted", {"id": str(deleted["_id"])})
