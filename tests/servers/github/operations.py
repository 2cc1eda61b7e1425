"""The operations of the REST API that the stand-in knows, by the names that the description gives them: what each needs
of a token, what it does to what is kept, and what it answers. Whether that fits is seen elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .archive import archive
from .repository import Issue, Pull, Repository
from .state import LONGEST, Account, Check, Comment, ReviewComment, Spot, account

if TYPE_CHECKING:
    from .server import GitHub, Token

Json = dict[str, Any]


class Refused(Exception):
    """The host does not do it."""

    def __init__(
        self, status: int, message: str, errors: list[Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body: Json = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        self.body |= {} if errors is None else {"errors": errors}


@dataclass(frozen=True)
class Given:
    """What an operation answers. Of `items` only one page is sent, within the body where that names a list."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    items: list[Any] | None = None
    within: str = ""
    text: str | None = None


@dataclass(frozen=True)
class Asked:
    """A request, as an operation sees it."""

    host: GitHub
    token: Token
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    accept: str

    @property
    def repository(self) -> Repository:
        found = self.host.repositories.get(f"{self.path['owner']}/{self.path['repo']}".lower())
        if found is None:
            raise Refused(404, "Not Found")
        return found

    @property
    def issue(self) -> Issue:
        """The issue or pull request that is meant, by its own number or that of a comment."""
        if "issue_number" in self.path:
            found: Issue = self._known(self.repository.issues, "issue_number")
            return found
        if "pull_number" in self.path:
            return self.pull
        return self.comment[0]

    @property
    def pull(self) -> Pull:
        found: Pull = self._known({one.number: one for one in self.repository.pulls}, "pull_number")
        return found

    def _known(self, things: Mapping[int, Any], name: str) -> Any:
        found = things.get(int(self.path[name]))
        if found is None:
            raise Refused(404, "Not Found")
        return found

    @property
    def comment(self) -> tuple[Issue, Comment]:
        issues = self.repository.issues.values()
        said = {said.id: (one, said) for one in issues for said in one.comments}
        found: tuple[Issue, Comment] = self._known(said, "comment_id")
        return found

    @property
    def review_comment(self) -> tuple[Pull, ReviewComment]:
        said = {said.id: (one, said) for one in self.repository.pulls for at in one.threads for said in at.comments}
        found: tuple[Pull, ReviewComment] = self._known(said, "comment_id")
        return found

    @property
    def viewer(self) -> Account:
        return self.token.account

    def commit(self, revision: str) -> str:
        found = self.repository.found(revision)
        if found is None:
            raise Refused(404, "Not Found")
        return found.sha


Operation = Callable[[Asked], Given]
OPERATIONS: Final[dict[str, tuple[Operation, str]]] = {}
"""Each with the permissions that it accepts, as `X-Accepted-GitHub-Permissions` tells them."""


def operation(name: str, accepts: str = "") -> Callable[[Operation], Operation]:
    def keep(made: Operation) -> Operation:
        OPERATIONS[name] = made, accepts
        return made

    return keep


READS_ISSUE: Final = "issues=read; pull_requests=read"
WRITES_ISSUE: Final = "issues=write; pull_requests=write"


# -- pull requests ----------------------------------------------------------------------------------------------------


@operation("repos/get", "metadata=read")
def get_repository(at: Asked) -> Given:
    return Given(at.host.shapes.repository(at.repository))


@operation("pulls/get", "pull_requests=read")
def get_pull(at: Asked) -> Given:
    return Given(at.host.shapes.pull(at.pull))


@operation("pulls/list", "pull_requests=read")
def list_pulls(at: Asked) -> Given:
    state, head = at.query.get("state", "open"), at.query.get("head")
    found = [one for one in at.repository.pulls if state in (one.state, "all")]
    if head and ":" in head:  # the host takes no notice of a head without its owner
        found = [one for one in found if head == f"{(one.head_repository or at.repository).owner}:{one.head_ref}"]
    return Given(items=[at.host.shapes.pull_in_list(one) for one in reversed(found)])


@operation("pulls/list-files", "pull_requests=read")
def list_files(at: Asked) -> Given:
    pull = at.pull
    return Given(items=[at.host.shapes.file(one, silent=one.path in pull.silent) for one in pull.files[:3000]])


@operation("pulls/list-commits", "pull_requests=read")
def list_commits(at: Asked) -> Given:
    shapes = at.host.shapes
    return Given(items=[shapes.commit(one) for one in shapes.commits_of(at.pull)[:250]])


@operation("repos/get-commit", "contents=read")
def get_commit(at: Asked) -> Given:
    return Given(at.host.shapes.commit(at.repository.commits[at.commit(at.path["ref"])]))


@operation("repos/compare-commits-with-basehead", "contents=read")
def compare(at: Asked) -> Given:
    from .diff import files_of

    repository, shapes = at.repository, at.host.shapes
    base, _, head = (at.commit(one) if one != "..." else one for one in at.path["basehead"].partition("..."))
    since = repository.merge_base(base, head)
    behind, ahead = (
        [one for one in repository.ancestors(of) if one not in repository.ancestors(since)] for of in (base, head)
    )
    files = files_of(repository.difference(base, head))
    status = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    return Given(
        {
            "status": status,
            "ahead_by": len(ahead),
            "behind_by": len(behind),
            "total_commits": len(ahead),
            "base_commit": shapes.commit(repository.commits[base]),
            "merge_base_commit": shapes.commit(repository.commits[since]),
            "files": [shapes.file(one) for one in files[:300]] if at.query.get("page", "1") == "1" else [],
        },
        items=[shapes.commit(repository.commits[sha]) for sha in reversed(ahead)],
        within="commits",
    )


# -- comments ---------------------------------------------------------------------------------------------------------


def words(at: Asked, resource: str) -> str:
    """The body of a comment, as the host takes it."""
    body: str = at.body["body"]
    wrong = "Body cannot be blank" if not body.strip() else too_long(body)
    if wrong:
        told = {"resource": resource, "code": "unprocessable", "field": "data", "message": wrong}
        raise Refused(422, "Validation Failed", [told])
    return body


def too_long(body: str) -> str:
    return f"Body is too long (maximum is {LONGEST} characters)" if len(body) > LONGEST else ""


@operation("issues/get", READS_ISSUE)
def get_issue(at: Asked) -> Given:
    return Given(at.host.shapes.issue(at.issue))


@operation("issues/list-comments", READS_ISSUE)
def list_comments(at: Asked) -> Given:
    since = at.query.get("since", "")
    said = [one for one in at.issue.comments if (one.updated or one.created) >= since]
    return Given(items=[at.host.shapes.comment(at.issue, one) for one in said])


@operation("issues/create-comment", WRITES_ISSUE)
def create_comment(at: Asked) -> Given:
    made = at.issue.comment(words(at, "IssueComment"), at.viewer.login)
    return Given(at.host.shapes.comment(at.issue, made), 201)


@operation("issues/get-comment", READS_ISSUE)
def get_comment(at: Asked) -> Given:
    return Given(at.host.shapes.comment(*at.comment))


@operation("issues/update-comment", WRITES_ISSUE)
def update_comment(at: Asked) -> Given:
    issue, said = at.comment
    may_edit(at, said)
    said.edit(words(at, "IssueComment"), at.repository.ids.time())
    return Given(at.host.shapes.comment(issue, said))


def may_edit(at: Asked, said: Comment) -> None:
    """A token of the job's may edit what anybody wrote, where it may write at all; an account only its own."""
    if said.author != at.viewer and not at.viewer.bot:
        raise Refused(403, "Must have admin rights to Repository.")


@operation("issues/delete-comment", WRITES_ISSUE)
def delete_comment(at: Asked) -> Given:
    issue, said = at.comment
    issue.comments.remove(said)
    return Given(status=204)


# -- reviews ----------------------------------------------------------------------------------------------------------


@operation("pulls/list-review-comments", "pull_requests=read")
def list_review_comments(at: Asked) -> Given:
    said = [one for thread in at.pull.threads for one in thread.comments]
    said.sort(key=lambda one: one.created)
    return Given(items=[at.host.shapes.review_comment(at.pull, one) for one in said])


@operation("pulls/get-review-comment", "pull_requests=read")
def get_review_comment(at: Asked) -> Given:
    return Given(at.host.shapes.review_comment(*at.review_comment))


@operation("pulls/update-review-comment", "pull_requests=write")
def update_review_comment(at: Asked) -> Given:
    pull, said = at.review_comment
    may_edit(at, said)
    said.edit(words(at, "PullRequestReviewComment"), at.repository.ids.time())
    return Given(at.host.shapes.review_comment(pull, said))


@operation("pulls/create-review-comment", "pull_requests=write")
def create_review_comment(at: Asked) -> Given:
    pull, body, commit = at.pull, words(at, "PullRequestReviewComment"), at.body["commit_id"]
    files, spot = pull.files_at(commit), spot_of(at.body)
    if files is None:
        raise Refused(422, "Validation Failed", [invalid("commit_id", NO_SUCH_COMMIT)])
    if wrong := spot.wrong(files):
        raise Refused(422, "Validation Failed", [invalid("pull_request_review_thread.line", one) for one in wrong])
    review = pull.review([(spot, body)], by=at.viewer.login, commit=commit)
    return Given(at.host.shapes.review_comment(pull, review.comments[0]), 201)


NO_SUCH_COMMIT: Final = "commit_id is not part of the pull request"


def invalid(name: str, message: str) -> Json:
    return {"resource": "PullRequestReviewComment", "code": "custom", "field": name, "message": message}


def spot_of(told: Mapping[str, Any]) -> Spot:
    names = {"path": "path", "line": "line", "side": "side", "start_line": "start_line", "start_side": "start_side"}
    given = {ours: told[theirs] for theirs, ours in {**names, "subject_type": "subject"}.items() if theirs in told}
    return Spot(**{"line": None, **given})


@operation("pulls/create-reply-for-review-comment", "pull_requests=write")
def reply(at: Asked) -> Given:
    pull, said = at.review_comment
    made = pull.reply(said.thread, words(at, "PullRequestReviewComment"), at.viewer.login)
    return Given(at.host.shapes.review_comment(pull, made), 201)


@operation("pulls/list-reviews", "pull_requests=read")
def list_reviews(at: Asked) -> Given:
    return Given(items=[at.host.shapes.review(at.pull, one) for one in at.pull.reviews])


@operation("pulls/get-review", "pull_requests=read")
def get_review(at: Asked) -> Given:
    found = at._known({one.id: one for one in at.pull.reviews}, "review_id")
    return Given(at.host.shapes.review(at.pull, found))


@operation("pulls/list-comments-for-review", "pull_requests=read")
def list_comments_for_review(at: Asked) -> Given:
    review = at._known({one.id: one for one in at.pull.reviews}, "review_id")
    told = [at.host.shapes.review_comment(at.pull, one) for one in review.comments]
    return Given(items=[{"position": 1, **one} for one in told])


STATES: Final = {"COMMENT": "COMMENTED", "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", None: "PENDING"}


@operation("pulls/create-review", "pull_requests=write")
def create_review(at: Asked) -> Given:
    """All comments of a review are made, or none."""
    pull, told = at.pull, at.body
    state, said = STATES[told.get("event")], told.get("comments", [])
    files, spots = pull.files_at(told.get("commit_id", pull.head)), [spot_of(one) for one in said]
    wrong = [*wrong_words(told, state)]
    if any(one.state == "PENDING" and one.author == at.viewer for one in pull.reviews):
        wrong.append("User can only have one pending review per pull request")
    wrong += [NO_SUCH_COMMIT] if files is None else [*filter(None, (" and ".join(one.wrong(files)) for one in spots))]
    if wrong:
        raise Refused(422, "Unprocessable Entity", list(dict.fromkeys(wrong)))
    made = pull.review(
        zip(spots, bodies(said), strict=True),
        told.get("body", ""),
        by=at.viewer.login,
        state=state,
        commit=told.get("commit_id"),
    )
    return Given(at.host.shapes.review(pull, made))


def wrong_words(told: Json, state: str) -> Iterator[str]:
    said = bodies(told.get("comments", []))
    yield from filter(None, map(too_long, [told.get("body", ""), *said]))
    if not all(map(str.strip, said)):
        yield "Review comment body can't be blank"
    if not said and not told.get("body") and state in ("COMMENTED", "CHANGES_REQUESTED"):
        yield "Review body can't be blank"


def bodies(said: list[Json]) -> list[str]:
    return [str(one["body"]) for one in said]


# -- labels and checks ------------------------------------------------------------------------------------------------


@operation("issues/list-labels-for-repo", READS_ISSUE)
def list_labels(at: Asked) -> Given:
    return Given(items=[at.host.shapes.label(at.repository, name) for name in at.repository.labels])


@operation("issues/list-labels-on-issue", READS_ISSUE)
def labels_of_issue(at: Asked) -> Given:
    return Given(items=[at.host.shapes.label(at.repository, name) for name in at.issue.labels])


@operation("issues/add-labels", WRITES_ISSUE)
def add_labels(at: Asked) -> Given:
    """One that the repository does not have is made; upper and lower case are the same to the host."""
    named = at.body["labels"] if isinstance(at.body, Mapping) else at.body
    known, issue = {name.lower(): name for name in at.repository.labels}, at.issue
    for name in named:
        label = known.setdefault(name.lower(), name)
        at.repository.labels.setdefault(label, "ededed")
        if label not in issue.labels:
            issue.labels.append(label)
    return Given(items=[at.host.shapes.label(at.repository, name) for name in issue.labels])


@operation("checks/list-for-ref", "checks=read")
def list_checks(at: Asked) -> Given:
    sha, name, status = at.commit(at.path["ref"]), at.query.get("check_name"), at.query.get("status")
    found = [one for one in at.repository.checks if one.head == sha and name in (None, one.name)]
    found = [one for one in found if status in (None, one.said["status"])]
    if at.query.get("filter", "latest") == "latest":
        found = list({(one.by, one.name): one for one in found}.values())
    items = [at.host.shapes.check(at.repository, one) for one in reversed(found)]
    return Given({"total_count": len(items)}, items=items, within="check_runs")


@operation("checks/create", "checks=write")
def create_check(at: Asked) -> Given:
    if at.body["head_sha"] not in at.repository.commits:
        raise Refused(422, f"No commit found for SHA: {at.body['head_sha']}")
    made = Check(at.repository.ids.number(), at.viewer, at.body["name"], at.body["head_sha"], {"status": "queued"})
    at.repository.checks.append(made)
    return Given(say_of_check(at, made), 201)


def say_of_check(at: Asked, check: Check) -> Json:
    check.name = at.body.get("name", check.name)
    check.said |= at.body
    if "conclusion" in at.body:
        check.said["status"] = "completed"
    return at.host.shapes.check(at.repository, check)


def check_of(at: Asked) -> Check:
    found: Check = at._known({one.id: one for one in at.repository.checks}, "check_run_id")
    return found


@operation("checks/get", "checks=read")
def get_check(at: Asked) -> Given:
    return Given(at.host.shapes.check(at.repository, check_of(at)))


@operation("checks/update", "checks=write")
def update_check(at: Asked) -> Given:
    check = check_of(at)
    if check.by != at.viewer:
        raise Refused(403, "Invalid app_id `15368` - check run can only be modified by the GitHub App that created it.")
    return Given(say_of_check(at, check))


# -- runs and files ---------------------------------------------------------------------------------------------------


@operation("actions/get-workflow-run", "actions=read")
def get_run(at: Asked) -> Given:
    return Given(at.host.shapes.run(at._known(at.repository.runs, "run_id")))


@operation("actions/list-jobs-for-workflow-run", "actions=read")
@operation("actions/list-jobs-for-workflow-run-attempt", "actions=read")
def list_jobs(at: Asked) -> Given:
    run = at._known(at.repository.runs, "run_id")
    items = [at.host.shapes.job(run, job) for job in run.jobs]
    return Given({"total_count": len(items)}, items=items, within="jobs")


@operation("actions/download-job-logs-for-workflow-run", "actions=read")
def get_log(at: Asked) -> Given:
    job = at._known({job.id: job for run in at.repository.runs.values() for job in run.jobs}, "job_id")
    return at.host.elsewhere(f"/logs/{job.id}", job.log.encode())


@operation("repos/download-tarball-archive", "contents=read")
def get_tarball(at: Asked) -> Given:
    sha = at.commit(at.path["ref"] or at.repository.default_branch)
    top = f"{at.repository.owner}-{at.repository.name}-{sha[:7]}"
    return at.host.elsewhere(f"/{at.repository.full_name}/legacy.tar.gz/{sha}", archive(at.repository.tree(sha), top))


@operation("repos/get-content", "contents=read")
def get_content(at: Asked) -> Given:
    sha = at.commit(at.query.get("ref", at.repository.default_branch))
    path, tree = at.path["path"], at.repository.tree(sha)
    if path not in tree:
        raise Refused(404, "Not Found")
    found = tree[path]
    content = found if isinstance(found, bytes) else found.encode()
    if "raw" in at.accept:
        return Given(text=content.decode())
    return Given(at.host.shapes.content(at.repository, path, content))


@operation("repos/get-collaborator-permission-level", "metadata=read")
def get_permission(at: Asked) -> Given:
    who = account(at.path["username"])
    if who.login not in at.host.accounts:
        raise Refused(404, "Not Found")
    said = at.repository.permissions.get(who.login, "read")
    told = {"login": who.login, "id": at.host.accounts[who.login], "type": "Bot" if who.bot else "User"}
    return Given({"permission": said, "role_name": said, "user": told})


@operation("rate-limit/get")
def get_rate_limit(at: Asked) -> Given:
    rate = at.host.rate()
    return Given({"resources": {"core": rate, "search": rate}, "rate": rate})
