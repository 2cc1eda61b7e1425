"""Payloads of events about what the stand-in keeps, as the host writes them to GITHUB_EVENT_PATH."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .repository import Issue, Pull, Repository, Run
from .shapes import Shapes, account
from .state import Comment
from .state import account as of_login

Json = dict[str, Any]


@dataclass(frozen=True)
class Events:
    """Each is caused by the account `by`, which is who opened or wrote where none is named."""

    shapes: Shapes

    def pull_request(self, pull: Pull, action: str = "opened", by: str = "") -> Json:
        """`pull_request` and `pull_request_target`."""
        about = {"number": pull.number, "pull_request": self.shapes.pull(pull)}
        return self._event(pull.repository, action, by or pull.author.login, about)

    def issue(self, issue: Issue, action: str = "opened", by: str = "") -> Json:
        about = {"issue": self.shapes.issue(issue)}
        return self._event(issue.repository, action, by or issue.author.login, about)

    def issue_comment(self, on: Issue, comment: Comment, action: str = "created") -> Json:
        about = {"issue": self.shapes.issue(on), "comment": self.shapes.comment(on, comment)}
        return self._event(on.repository, action, comment.author.login, about)

    def workflow_run(self, run: Run, by: str = "mona") -> Json:
        actor = account(of_login(by))
        about = {"workflow_run": {**self.shapes.run(run), "actor": actor, "triggering_actor": actor}}
        return self._event(run.repository, "completed", by, about)

    def _event(self, repository: Repository, action: str, by: str, about: Json) -> Json:
        sender = account(of_login(by))
        return {"action": action, **about, "repository": self.shapes.repository(repository), "sender": sender}
