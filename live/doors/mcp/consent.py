"""A person's yes before money moves: asked through the client where it can ask (elicitation), else by a ticket that is approved in a terminal.

Up to 2025-11-25 the question goes out in the middle of the call; from 2026-07-28 on the call ends with the question and comes again with the answer.
Either way a yes is good for one call with the same arguments.
"""

import asyncio
import json
import secrets
from hashlib import sha256
from typing import Any

from mcp.server.elicitation import AcceptedElicitation, render_elicitation_schema
from mcp.server.mcpserver import Context
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, Field, ValidationError

from live.clock import SECOND, SystemClock
from live.doors.tickets import LIFE, Tickets
from live.problems import ToolError

QUESTION = "consent"
BETWEEN_CALLS = "2026-07-28"
"""First protocol whose calls end with a question."""


class Word(BaseModel):
    """What the person is asked to fill in."""

    approve: bool = Field(description="True to have it done now.")


class Consent:
    """Of one server."""

    def __init__(self, tickets: Tickets) -> None:
        self.tickets = tickets
        self._asked: dict[str, tuple[str, int]] = {}
        """Questions that are out: what each was about, and until when its answer counts."""

    async def of(self, ctx: Context, tool: str, arguments: dict[str, Any], effect: str, client: str) -> InputRequiredResult | None:
        """Return None once a person has said yes, or the question that has to be asked first. Raises `ToolError` for a no, or with a ticket."""
        question = f"{client} wants DayBot to {effect}. Do it?"
        if not _can_ask(ctx):
            ticket = self.tickets.ask(tool, arguments, effect, client)
            text = (
                f"nothing was done: to {effect} needs a person. Ask him to run `daybot approve {ticket.id}` in a terminal of his own "
                f"within {LIFE // SECOND} s, then call use_ticket with ticket {ticket.id!r}. You cannot approve it."
            )
            raise ToolError(403, "NEEDS_APPROVAL", "a person has to approve", text)
        if is_version_at_least(ctx.protocol_version or "", BETWEEN_CALLS):
            return self._between(ctx, _about(tool, arguments), question)
        try:
            async with asyncio.timeout(LIFE / SECOND):
                answer = await ctx.elicit(question, Word)
        except (TimeoutError, ValueError):  # no answer, or one that is none
            raise _no("it was not answered") from None
        if not (isinstance(answer, AcceptedElicitation) and answer.data.approve):
            raise _no("the person said no")
        return None

    def _between(self, ctx: Context, about: str, question: str) -> InputRequiredResult | None:
        answer = (ctx.input_responses or {}).get(QUESTION)
        asked = self._asked.pop(ctx.request_state or "", None)  # once: the same answer again is a new question
        now = SystemClock().now()
        if answer is not None and asked is not None and asked[0] == about and asked[1] > now:
            if not _yes(answer):
                raise _no("the person said no")
            return None
        self._asked = {name: found for name, found in self._asked.items() if found[1] > now}
        name = secrets.token_urlsafe(16)
        self._asked[name] = (about, now + LIFE)
        form = ElicitRequestFormParams(message=question, requested_schema=render_elicitation_schema(Word))
        return InputRequiredResult(input_requests={QUESTION: ElicitRequest(params=form)}, request_state=name)


def _can_ask(ctx: Context) -> bool:
    known = ctx.client_capabilities
    offered = known.elicitation if known is not None else None
    return offered is not None and (offered.form is not None or offered.url is None)


def _about(tool: str, arguments: dict[str, Any]) -> str:
    return sha256(json.dumps([tool, arguments], sort_keys=True).encode()).hexdigest()


def _yes(answer: object) -> bool:
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        return False
    try:
        return Word.model_validate(answer.content or {}, strict=True).approve
    except ValidationError:
        return False


def _no(why: str) -> ToolError:
    return ToolError(403, "DECLINED", "not done", f"nothing was done: {why}; do not ask again unless the person wants it")
