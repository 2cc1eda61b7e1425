"""What is kept, as the REST API writes it: all that our state knows. What else must be there is made up elsewhere."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .repository import Issue, Pull, Repository
from .state import Account, Comment, Commit, Review, ReviewComment

if TYPE_CHECKING:
    from .diff import File
    from .repository import Run
    from .state import Check, Job

Json = dict[str, Any]


def account(of: Account) -> Json:
    return {"login": of.login, "id": of.id, "type": "Bot" if of.bot else "User", "site_admin": False}


@dataclass(frozen=True)
class Shapes:
    """All links lead below `web`, the address of the host for people, or `api`."""

    web: str
    api: str

    def repository(self, of: Repository) -> Json:
        return {
            "id": of.id,
            "name": of.name,
            "full_name": of.full_name,
            "owner": account(Account(of.owner, 1)),
            "private": of.private,
            "fork": of.fork,
            "default_branch": of.default_branch,
            "html_url": self.page(of),
            "url": self.address(of),
        }

    def page(self, of: Repository, path: str = "") -> str:
        return f"{self.web}/{of.full_name}{path}"

    def address(self, of: Repository, path: str = "") -> str:
        return f"{self.api}/repos/{of.full_name}{path}"

    # -- issues and pull requests -------------------------------------------------------------------------------------

    def issue_page(self, of: Issue) -> str:
        return self.page(of.repository, f"/{'pull' if isinstance(of, Pull) else 'issues'}/{of.number}")

    def issue(self, of: Issue) -> Json:
        told = {
            **self._both(of),
            "url": self.address(of.repository, f"/issues/{of.number}"),
            "comments": len(of.comments),
            "author_association": association(of.repository, of.author),
        }
        if isinstance(of, Pull):
            url = self.address(of.repository, f"/pulls/{of.number}")
            told["pull_request"] = {"url": url, "html_url": self.issue_page(of)}
        return told

    def _both(self, of: Issue) -> Json:
        return {
            "id": of.id,
            "number": of.number,
            "html_url": self.issue_page(of),
            "title": of.title,
            "body": of.body,
            "state": of.state,
            "user": account(of.author),
            "labels": [self.label(of.repository, name) for name in of.labels],
            "created_at": of.created,
            "closed_at": None if of.state == "open" else of.created,
            "milestone": None,
            "assignee": None,
        }

    def label(self, of: Repository, name: str) -> Json:
        return {"id": number(name), "name": name, "color": of.labels[name], "default": name in ("bug", "question")}

    def pull_in_list(self, of: Pull) -> Json:
        return {
            **self._both(of),
            "url": self.address(of.repository, f"/pulls/{of.number}"),
            "draft": of.draft,
            "head": self._end(of.head_ref, of.head, of.head_repository),
            "base": self._end(of.base_ref, of.base, of.repository),
            "author_association": association(of.repository, of.author),
            "merged_at": None,
            "merge_commit_sha": None,
            "auto_merge": None,
        }

    def pull(self, of: Pull) -> Json:
        return {
            **self.pull_in_list(of),
            "merged": of.state == "merged",
            "mergeable": True,
            "mergeable_state": "clean",
            "comments": len(of.comments),
            "review_comments": sum(len(thread.comments) for thread in of.threads),
            "commits": len(self.commits_of(of)),
            "additions": sum(file.added for file in of.files),
            "deletions": sum(file.removed for file in of.files),
            "changed_files": len(of.files),
        }

    def _end(self, ref: str, sha: str, repository: Repository | None) -> Json:
        owner = repository.owner if repository else "ghost"
        repo = None if repository is None else self.repository(repository)
        return {"label": f"{owner}:{ref}", "ref": ref, "sha": sha, "user": account(Account(owner, 1)), "repo": repo}

    def commits_of(self, of: Pull) -> list[Commit]:
        """Those of a pull request, the oldest first."""
        repository = of.repository
        known = set(repository.ancestors(of.base))
        return [repository.commits[sha] for sha in reversed(repository.ancestors(of.head)) if sha not in known]

    def commit(self, of: Commit) -> Json:
        who = {"name": of.author.login, "email": f"{of.author.login}@example.com", "date": of.date}
        return {
            "sha": of.sha,
            "commit": {"message": of.message, "author": who, "committer": who},
            "author": account(of.author),
            "committer": account(of.author),
            "parents": [{"sha": sha} for sha in of.parents],
        }

    def file(self, of: File, *, silent: bool = False) -> Json:
        told = {
            "sha": hashlib.sha1(of.path.encode()).hexdigest(),
            "filename": of.path,
            "status": of.status,
            "additions": of.added,
            "deletions": of.removed,
            "changes": of.added + of.removed,
        }
        if of.status in ("renamed", "copied"):
            told["previous_filename"] = of.old_path
        if of.patch is not None and not silent:
            told["patch"] = of.patch
        return told

    # -- what was said ------------------------------------------------------------------------------------------------

    def comment_page(self, on: Issue, of: Comment) -> str:
        kind = "discussion_r" if isinstance(of, ReviewComment) else "issuecomment-"
        return f"{self.issue_page(on)}#{kind}{of.id}"

    def comment(self, on: Issue, of: Comment) -> Json:
        return {
            **self._words(on, of),
            "url": self.address(on.repository, f"/issues/comments/{of.id}"),
            "issue_url": self.address(on.repository, f"/issues/{on.number}"),
        }

    def _words(self, on: Issue, of: Comment) -> Json:
        return {
            "id": of.id,
            "html_url": self.comment_page(on, of),
            "body": of.body,
            "user": account(of.author),
            "created_at": of.created,
            "updated_at": of.updated or of.created,
            "author_association": association(on.repository, of.author),
        }

    def review_comment(self, on: Pull, of: ReviewComment) -> Json:
        thread = of.thread
        told = {
            **self._words(on, of),
            "url": self.address(on.repository, f"/pulls/comments/{of.id}"),
            "pull_request_url": self.address(on.repository, f"/pulls/{on.number}"),
            "pull_request_review_id": of.review.id,
            "path": thread.path,
            "side": thread.side,
            "start_side": thread.start_side,
            "start_line": thread.start_line,
            "original_start_line": thread.original_start_line,
            "diff_hunk": thread.hunk,
            "commit_id": on.head,
            "original_commit_id": thread.original_commit,
            "subject_type": thread.subject,
        }
        lines = {"line": thread.line, "original_line": thread.original_line}
        told |= {name: line for name, line in lines.items() if line is not None}
        return told | ({"in_reply_to_id": of.reply_to} if of.reply_to else {})

    def review(self, on: Pull, of: Review) -> Json:
        return {
            "id": of.id,
            "user": account(of.author),
            "body": of.body,
            "state": of.state,
            "html_url": f"{self.issue_page(on)}#pullrequestreview-{of.id}",
            "pull_request_url": self.address(on.repository, f"/pulls/{on.number}"),
            "submitted_at": of.submitted,
            "commit_id": of.commit,
            "author_association": association(on.repository, of.author),
        }

    # -- what was run and checked -------------------------------------------------------------------------------------

    def check(self, repository: Repository, of: Check) -> Json:
        output = of.said.get("output", {})
        return {
            "id": of.id,
            "name": of.name,
            "head_sha": of.head,
            "external_id": of.said.get("external_id", ""),
            "status": of.said.get("status", "queued"),
            "conclusion": of.conclusion,
            "html_url": self.page(repository, f"/runs/{of.id}"),
            "details_url": of.said.get("details_url") or self.page(repository, f"/runs/{of.id}"),
            "output": {name: output.get(name) for name in ("title", "summary", "text")},
            "pull_requests": [],
        }

    def run(self, of: Run) -> Json:
        return {
            "id": of.id,
            "name": of.name,
            "event": of.event,
            "status": "completed",
            "conclusion": of.conclusion,
            "head_sha": of.head,
            "head_branch": of.head_branch,
            "html_url": self.page(of.repository, f"/actions/runs/{of.id}"),
            "run_attempt": of.attempt,
            "repository": self.repository(of.repository),
            "head_repository": self.repository(of.head_repository or of.repository),
            "pull_requests": [self._short(pull) for pull in of.pulls],
        }

    def _short(self, of: Pull) -> Json:
        def end(ref: str, sha: str, repository: Repository) -> Json:
            repo = {"id": repository.id, "name": repository.name, "url": self.address(repository)}
            return {"ref": ref, "sha": sha, "repo": repo}

        return {
            "id": of.id,
            "number": of.number,
            "url": self.address(of.repository, f"/pulls/{of.number}"),
            "head": end(of.head_ref, of.head, of.head_repository or of.repository),
            "base": end(of.base_ref, of.base, of.repository),
        }

    def job(self, run: Run, of: Job) -> Json:
        return {
            "id": of.id,
            "run_id": run.id,
            "run_attempt": run.attempt,
            "name": of.name,
            "status": "completed",
            "conclusion": of.conclusion,
            "head_sha": run.head,
            "html_url": self.page(run.repository, f"/actions/runs/{run.id}/job/{of.id}"),
            "steps": [
                {"name": name, "status": "completed", "conclusion": conclusion, "number": at}
                for at, (name, conclusion) in enumerate(of.steps.items(), start=1)
            ],
        }

    def content(self, repository: Repository, path: str, content: bytes) -> Json:
        return {
            "type": "file",
            "encoding": "base64",
            "size": len(content),
            "name": path.rpartition("/")[2],
            "path": path,
            "content": base64.encodebytes(content).decode(),
            "sha": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
            "url": self.address(repository, f"/contents/{path}"),
        }


def association(repository: Repository, of: Account) -> str:
    return "MEMBER" if repository.permissions.get(of.login) in ("admin", "write") else "NONE"


def number(name: str) -> int:
    return int(hashlib.sha1(name.encode()).hexdigest()[:8], 16)
