"""A plan is made to stand at the host, once: against a stand-in that checks every request and every answer against what
GitHub publishes of its API, whatever becomes of them on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest

from runner.ci.api import api_of
from runner.ci.waiting import patient
from runner.credentials.scrub import Scrubber
from runner.diff.change import Change
from runner.diff.read import file_of_host
from runner.errors import PostProblem
from runner.facts.facts import Target
from runner.facts.marker import Marker
from runner.plan.plan import PostRecipe
from runner.post import send
from runner.post.acts import Author
from runner.post.make import plan_of
from runner.post.said import said
from runner.post.say import inline
from runner.post.send import Sending
from runner.post.there import look
from tests.servers.github import TOKEN, GitHub, broken, dropped, primary, secondary
from tests.servers.github.state import Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.post.acts import Act
    from runner.post.plan import Kind, PostPlan
    from runner.post.there import There
    from runner.report.results import Posted
    from tests.servers.github import Fault, Issue, Pull

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
FILES = {
    "src/a.py": ("".join(f"line {n}\n" for n in range(1, 41)), None),
    "src/b.py": ("first\n", "first\nsecond\nthird\n"),
}
ALL = {"contents": "write", "pull_requests": "write", "issues": "write", "checks": "write"}

AT_A = {"path": "src/a.py", "line": 20, "title": "Wrong", "body": "It should be 19."}
AT_B = {"path": "src/b.py", "line": 2, "title": "Slow", "body": "It is read twice."}
AT_FILE = {"path": "src/b.py", "title": "No test", "body": "Nothing tests this."}


def changed(*lines: int) -> str:
    """src/a.py with other words in these lines."""
    return "".join(f"other {n}\n" if n in lines else f"line {n}\n" for n in range(1, 41))


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub(ALL) as host:
        yield host


@pytest.fixture
def pull(github: GitHub) -> Pull:
    before, _ = FILES["src/a.py"]
    return github.pull({**FILES, "src/a.py": (before, changed(20))})


@dataclass
class Poster:
    """Whoever posts: one token, one key. `slept` are the seconds that were waited."""

    github: GitHub
    token: str = TOKEN
    key: str = KEY
    slept: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def plan(self, on: Issue, *findings: dict[str, Any], kind: Kind = "review", **more: Any) -> PostPlan:
        """A plan of these findings, on the diff as the host tells it."""
        allowed = PostRecipe(labels=("bug", "Question"), check=more.pop("check", None))
        head = getattr(on, "head", "")
        target = Target(on.repository.full_name, on.number, head, is_pull=bool(head))
        answer = said({"body": "Looked at it.", "findings": list(findings), **more})
        return plan_of(answer, allowed, target, self.change(on) if head else None, kind)

    def change(self, on: Issue) -> Change:
        return Change(tuple(file_of_host(one.payload) for one in self.api.pages(f"pulls/{on.number}/files")))

    @property
    def api(self) -> Any:
        api = api_of(self.github.environ, self.github.repository.full_name, self.token)
        return api.waiting(patient(600, self.told.append, sleep=self.sleep, clock=lambda: sum(self.slept)))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.github.later(seconds)

    def post(self, plan: PostPlan) -> Posted:
        return Sending(plan, Author(self.key, "review"), self.api).run()

    def refusal(self, plan: PostPlan) -> str:
        with pytest.raises(PostProblem) as error:
            self.post(plan)
        return error.value.message


@pytest.fixture
def poster(github: GitHub) -> Poster:
    return Poster(github)


def lines(pull: Pull) -> list[tuple[str, int | None]]:
    """Where threads of the pull request are."""
    return [(one.path, one.line) for one in pull.threads]


# -- what is posted ---------------------------------------------------------------------------------------------------


def test_a_comment_is_made_with_all_that_is_said(github: GitHub, pull: Pull, poster: Poster) -> None:
    posted = poster.post(poster.plan(pull, AT_A, kind="comment"))
    [comment] = pull.comments
    assert comment.body.startswith(f"{Marker(KEY, head=pull.head)}\n")
    assert "Looked at it." in comment.body
    assert "It should be 19." in comment.body
    assert pull.threads == []
    assert posted.url == github.shapes.comment_page(pull, comment)
    assert posted.written == 1


def test_comments_are_at_changed_lines_in_one_review_and_at_files(github: GitHub, pull: Pull, poster: Poster) -> None:
    posted = poster.post(poster.plan(pull, AT_A, AT_B, AT_FILE))
    assert lines(pull) == [("src/a.py", 20), ("src/b.py", 2), ("src/b.py", None)]
    assert [one.state for one in pull.reviews] == ["COMMENTED", "COMMENTED"]
    assert len([one for one in github.writes if one.endswith("/reviews")]) == 1
    assert (posted.comments, posted.known, posted.written) == (3, 0, 3)
    assert poster.slept == [1, 1]  # as the host wants it between two changes


def test_a_finding_off_the_diff_is_moved_to_the_nearest_line_the_file_or_the_comment(
    pull: Pull, poster: Poster
) -> None:
    found = [{**AT_A, "line": 24}, {**AT_A, "line": 35, "body": "Far."}, {**AT_A, "path": "c.py", "body": "Elsewhere."}]
    poster.post(poster.plan(pull, *found))
    assert lines(pull) == [("src/a.py", 23), ("src/a.py", None)]
    assert "Elsewhere." in pull.comments[0].body
    assert "src/a.py:24" in pull.comments[0].body


def test_several_lines_and_removed_ones_are_commented_on(pull: Pull, poster: Poster) -> None:
    several = {**AT_A, "start_line": 19, "line": 21, "body": "All three."}
    poster.post(poster.plan(pull, several, {**AT_A, "side": "old"}))
    assert [(one.start_line, one.line, one.side) for one in pull.threads] == [(19, 21, "RIGHT"), (None, 20, "LEFT")]


def test_labels_are_added_to_those_that_are_there(github: GitHub, poster: Poster) -> None:
    issue = github.repository.issue()
    issue.labels.append("question")
    poster.post(poster.plan(issue, kind="comment", labels=["bug", "question"]))
    assert issue.labels == ["question", "bug"]
    [sent] = [one.body for one in github.requests if one.path.endswith("/labels")]
    assert sent == {"labels": ["bug"]}  # the host knows no capitals in them, and the file has some


def test_a_check_is_made_and_later_changed(github: GitHub, pull: Pull, poster: Poster) -> None:
    poster.post(poster.plan(pull, AT_A, check="strands", conclusion="failure"))
    poster.post(poster.plan(pull, check="strands", conclusion="success"))
    [check] = github.repository.checks
    assert (check.name, check.head, check.conclusion) == ("strands", pull.head, "success")
    assert check.said["external_id"] == KEY
    poster.post(poster.plan(pull, check="strands", conclusion="success", body="Looked again."))
    assert "Looked again." in check.said["output"]["summary"]


# -- once -------------------------------------------------------------------------------------------------------------


def test_the_same_again_asks_for_no_change(github: GitHub, pull: Pull, poster: Poster) -> None:
    plan = poster.plan(pull, AT_A, AT_B, AT_FILE, labels=["bug"], check="strands", conclusion="neutral")
    first, before = poster.post(plan), len(github.writes)
    again = poster.post(plan)
    assert len(github.writes) == before
    assert (again.written, again.known, again.comments, again.url) == (0, 3, 0, first.url)


def test_the_comment_is_updated_in_place(github: GitHub, pull: Pull, poster: Poster) -> None:
    poster.post(poster.plan(pull, AT_A))
    pull.push({"src/a.py": changed(20, 21)})
    poster.post(poster.plan(pull, AT_A, body="Looked again."))
    [comment] = pull.comments
    assert "Looked again." in comment.body
    assert Marker(KEY, head=pull.head) is not None
    assert len(comment.was) == 1
    assert lines(pull) == [("src/a.py", 20)]


def test_what_is_resolved_is_not_said_again(pull: Pull, poster: Poster) -> None:
    poster.post(poster.plan(pull, AT_A))
    pull.threads[0].resolved_by = pull.author
    posted = poster.post(poster.plan(pull, AT_A, AT_B))
    assert lines(pull) == [("src/a.py", 20), ("src/b.py", 2)]
    assert (posted.comments, posted.known) == (1, 1)


def test_what_is_outdated_is_resolved_but_not_where_somebody_answered(pull: Pull, poster: Poster) -> None:
    poster.post(poster.plan(pull, AT_A, AT_B, {**AT_B, "line": 3, "body": "This too."}))
    pull.reply(pull.threads[1], "I do not think so.", by="mona")
    pull.push({"src/a.py": changed(19), "src/b.py": "first\nall new\nthird\n"})
    posted = poster.post(poster.plan(pull))
    assert [(one.line, one.outdated, one.resolved) for one in pull.threads] == [
        (None, True, True),
        (None, True, False),
        (3, False, False),
    ]
    assert posted.resolved == 1
    assert poster.post(poster.plan(pull)).written == 0


def test_what_is_outdated_but_found_again_is_not_resolved(pull: Pull, poster: Poster) -> None:
    poster.post(poster.plan(pull, AT_A))
    pull.threads[0].outdated = True
    assert poster.post(poster.plan(pull, AT_A)).resolved == 0
    assert poster.post(poster.plan(pull)).resolved == 1


def test_what_is_outdated_stays_where_the_token_may_not_resolve_it(github: GitHub, pull: Pull) -> None:
    github.tokens[TOKEN] = type(github.tokens[TOKEN])(github.tokens[TOKEN].account, {"pull_requests": "write"})
    poster = Poster(github)
    poster.post(poster.plan(pull, AT_A))
    pull.push({"src/a.py": changed(19)})
    posted = poster.post(poster.plan(pull))
    assert posted.resolved == 0
    [remark] = posted.remarks
    assert "1 comment of ours is outdated and not resolved: for that the host wants `contents: write`" in remark


def test_posts_with_other_keys_are_others(pull: Pull, poster: Poster, github: GitHub) -> None:
    plan = poster.plan(pull, AT_A, check="strands", conclusion="success")
    poster.post(plan)
    Poster(github, key=OTHER).post(plan)
    assert len(pull.comments) == len(pull.threads) == len(github.repository.checks) == 2


def test_a_host_may_end_lines_otherwise_than_it_was_told(pull: Pull, poster: Poster) -> None:
    poster.post(poster.plan(pull))
    pull.comments[0].body = pull.comments[0].body.replace("\n", "\r\n") + "\r\n"
    assert poster.post(poster.plan(pull)).written == 0


def test_what_is_said_of_both_sides_of_a_line_that_was_moved_is_posted(github: GitHub, poster: Poster) -> None:
    moved = github.pull({"a.py": ("moved\none\ntwo\n", "one\ntwo\nmoved\n")})
    plan = poster.plan(
        moved, {"path": "a.py", "line": 3, "body": "N"}, {**AT_A, "path": "a.py", "line": 1, "side": "old"}
    )
    poster.post(plan)
    assert [(one.line, one.side) for one in moved.threads] == [(3, "RIGHT"), (1, "LEFT")]
    assert poster.post(plan).written == 0


def test_what_only_we_see_was_not_said(pull: Pull, poster: Poster) -> None:
    """A review that is pending keeps the host from taking another one, until somebody sends it off."""
    plan = poster.plan(pull, AT_A, AT_B)
    body = inline(plan.comments[0], KEY)
    pull.review([(Spot("src/a.py", 20), body)], by="github-actions[bot]", state="PENDING")
    posted = poster.post(plan)
    assert ("It should be 19." in pull.comments[0].body, "It is read twice." in pull.comments[0].body) == (True, True)
    assert posted.known == 0


def test_what_people_did_to_the_comment_is_set_right(pull: Pull, poster: Poster) -> None:
    plan = poster.plan(pull, AT_A)
    poster.post(plan)
    pull.comments[0].body += "\nAnd I say so, too."
    assert (poster.post(plan).written, "I say so" in pull.comments[0].body) == (1, False)
    pull.comments.clear()
    assert (poster.post(plan).written, len(pull.comments), len(pull.threads)) == (1, 1, 1)


def test_a_secret_that_is_a_word_of_the_marker_leaves_it_whole(github: GitHub, pull: Pull, poster: Poster) -> None:
    scrub = Scrubber()
    scrub.learn(["place", "head"])
    plan = poster.plan(pull, AT_A, body="It has my head in it.")
    for _ in range(2):
        Sending(plan, Author(KEY, "review", scrub=scrub), poster.api).run()
    assert (len(pull.comments), len(pull.threads)) == (1, 1)
    assert "It has my *** in it." in pull.comments[0].body


def test_what_a_stranger_marked_as_ours_is_left_alone(github: GitHub, pull: Pull, poster: Poster) -> None:
    plan = poster.plan(pull, AT_A)
    forged = pull.comment(f"{Marker(KEY, head=pull.head)}\nI am the bot.", by="stranger")
    thread = pull.say_at("src/a.py", 20, f"{Marker(KEY, place=plan.comments[0].place)}\nSaid.", by="stranger")
    poster.post(plan)
    assert (forged.was, len(pull.comments)) == ([], 2)
    assert (thread.resolved, len(pull.threads)) == (False, 2)


def test_ours_is_found_among_hundreds(github: GitHub, pull: Pull, poster: Poster) -> None:
    for number in range(120):
        pull.comment(f"Comment {number}.")
    for number in range(110):
        pull.say_at("src/b.py", 1, f"Said {number}.")
    plan = poster.plan(pull, AT_A)
    poster.post(plan)
    for number in range(110):
        pull.comment(f"Comment {number}.")
        pull.say_at("src/b.py", 1, f"Said {number}.")
    assert poster.post(plan).written == 0
    assert len([one for one in pull.comments if one.body.startswith("<!-- strands-action")]) == 1


def test_of_two_comments_of_ours_the_older_is_kept_up_to_date(pull: Pull, poster: Poster) -> None:
    poster.post(poster.plan(pull))
    [first] = pull.comments
    pull.comment(first.body, by="github-actions[bot]")
    posted = poster.post(poster.plan(pull, body="Looked again."))
    assert ["Looked again." in one.body for one in pull.comments] == [True, False]
    assert "two runs have posted at once" in posted.remarks[-1]


def test_a_post_that_is_killed_anywhere_is_finished_by_the_next(
    github: GitHub, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Sending._do
    for number in range(5):
        left = iter(range(number))

        def killed(sending: Sending, act: Act, there: There, left: Iterator[int] = left) -> bool:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return whole(sending, act, there)

        pull = github.pull({"src/b.py": FILES["src/b.py"]}, head=f"change-{number}")
        plan = poster.plan(pull, AT_B, AT_FILE, labels=["bug"], check="strands", conclusion="neutral")
        monkeypatch.setattr(Sending, "_do", killed)
        with pytest.raises(KeyboardInterrupt):
            poster.post(plan)
        monkeypatch.setattr(Sending, "_do", whole)
        assert poster.post(plan).written == 5 - number
        assert lines(pull) == [("src/b.py", 2), ("src/b.py", None)]
        assert (len(pull.comments), pull.labels) == (1, ["bug"])
        assert len([one for one in github.repository.checks if one.head == pull.head]) == 1


# -- what goes wrong on the way ---------------------------------------------------------------------------------------

FAULTS = {
    "an error before": broken(502),
    "an error after": broken(500, after=True),
    "a connection that ends before": dropped(after=False),
    "a connection that ends after": dropped(),
}
WRITES = {
    "a review": "POST */reviews",
    "a comment at a file": "POST */pulls/*/comments",
    "labels": "POST */labels",
    "a check": "POST */check-runs",
    "a change of a check": "PATCH */check-runs/*",
    "the comment": "POST */issues/*/comments",
    "a change of the comment": "PATCH */issues/comments/*",
    "what is resolved": "MUTATION /graphql",
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_nothing_is_posted_twice_whatever_is_lost(
    github: GitHub, pull: Pull, poster: Poster, write: str, fault: Fault
) -> None:
    before = poster.plan(pull, AT_A, check="strands", conclusion="neutral")
    if "PATCH" in write or "MUTATION" in write:
        poster.post(before)
        pull.push({"src/a.py": changed(21)}) if "MUTATION" in write else None
    plan = poster.plan(pull, AT_B, AT_FILE, labels=["bug"], check="strands", conclusion="success")
    github.fail(fault, on=write)
    assert poster.post(plan).written == (6 if "MUTATION" in write else 5)
    made = {marker.splitlines()[0] for thread in pull.threads for marker in [thread.comments[0].body]}
    assert len(made) == len(pull.threads)
    assert len(pull.comments) == 1
    assert pull.labels == ["bug"]
    assert [one.conclusion for one in github.repository.checks if one.head == pull.head] == ["success"]
    sent = [one for one in github.writes if fnmatchcase(one, write)]
    assert len(sent) == (1 if fault.after else 2)


def test_what_the_host_never_takes_is_given_up(github: GitHub, pull: Pull, poster: Poster) -> None:
    github.fail(broken(502), on="POST */issues/*/comments", times=20)
    told = poster.refusal(poster.plan(pull))
    assert told == "nobody knows whether the comment was posted: the host answers with status 502"
    assert len(github.writes) == 6
    assert sum(poster.slept) <= 60


def test_what_the_host_shows_later_is_not_sent_again(
    github: GitHub, pull: Pull, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([look(poster.plan(pull), KEY, poster.api)] * 3)
    monkeypatch.setattr(send, "look", lambda *given: next(looks, None) or look(*given))
    poster.post(poster.plan(pull, AT_A))
    assert (len(pull.comments), len(pull.threads), len(github.writes)) == (1, 1, 2)


def test_a_review_of_which_a_part_is_shown_first_is_not_sent_again(
    github: GitHub, pull: Pull, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = iter([0, 1, 1])

    def part(*given: Any) -> There:
        there = look(*given)
        return replace(there, threads=there.threads[: next(shown, None)])

    monkeypatch.setattr(send, "look", part)
    poster.post(poster.plan(pull, AT_A, AT_B))
    assert lines(pull) == [("src/a.py", 20), ("src/b.py", 2)]


def test_what_was_lost_is_looked_for_when_it_can_arrive_no_more(github: GitHub, pull: Pull, poster: Poster) -> None:
    """The host works on a request for ten seconds, also when nobody hears of it any more."""
    plan = poster.plan(pull)
    github.fail(broken(502), on="POST */issues/*/comments")
    poster.post(plan)
    assert poster.slept[0] >= 10


def test_what_stands_there_otherwise_than_it_was_sent_fails(github: GitHub, pull: Pull, poster: Poster) -> None:
    said = poster.plan(pull)
    poster.post(said)
    [comment] = pull.comments
    comment.edit = lambda body, at: None  # type: ignore[method-assign]
    told = poster.refusal(poster.plan(pull, body="Looked again."))
    assert told == "the host has taken the comment, but does not show it as it was sent"


@pytest.mark.parametrize("limit", [primary(60), secondary(30)], ids=["primary", "secondary"])
@pytest.mark.parametrize("write", ["POST */reviews", "POST */issues/*/comments", "QUERY /graphql"])
def test_limits_are_waited_out(github: GitHub, pull: Pull, poster: Poster, write: str, limit: Fault) -> None:
    plan = poster.plan(pull, AT_A)
    github.fail(limit, on=write)
    poster.post(plan)
    assert (len(pull.comments), len(pull.threads)) == (1, 1)
    [told] = poster.told
    assert "rate limit is reached; waiting" in told
    assert github.too_early == []


def test_a_limit_that_holds_longer_than_a_post_may_take_fails_it(github: GitHub, pull: Pull, poster: Poster) -> None:
    plan = poster.plan(pull)
    github.fail(secondary(3600), on="POST */issues/*/comments")
    told = poster.refusal(plan)
    assert told.startswith("the comment cannot be posted: the host's secondary rate limit is reached")
    assert poster.slept == []


REFUSED = {
    "a review": ("pull-requests", "the comments at lines", [AT_A], {}),
    "a comment at a file": ("pull-requests", "the comment at src/b.py", [AT_FILE], {}),
    "labels": ("pull-requests", "the label bug", [], {"labels": ["bug"]}),
    "a check": ("checks", "the check 'strands'", [], {"check": "strands", "conclusion": "success"}),
    "the comment": ("pull-requests", "the comment", [], {}),
}


@pytest.mark.parametrize(("permission", "what", "found", "more"), REFUSED.values(), ids=REFUSED)
def test_a_permission_that_is_missing_is_named_in_one_sentence(
    pull: Pull, github: GitHub, permission: str, what: str, found: list[Any], more: dict[str, Any]
) -> None:
    poster = Poster(github, github.token("mona", contents="read", checks="read"))
    told = poster.refusal(poster.plan(pull, *found, **more))
    assert told.startswith(f"{what} cannot be posted: the token may not do this: give the job `permissions: {{")
    assert f"{permission}: write}}`" in told
    assert "\n" not in told
    assert (pull.comments, pull.threads, pull.labels) == ([], [], [])


def test_lines_that_the_host_does_not_take_stand_in_the_comment(github: GitHub, pull: Pull, poster: Poster) -> None:
    plan = poster.plan(pull, AT_A, AT_B)
    pull.silent.add("src/a.py")
    pull.files[0].hunks = ()
    poster.post(plan)
    assert pull.threads == []
    assert "It should be 19." in pull.comments[0].body
    assert "It is read twice." in pull.comments[0].body
    assert "must be part of the diff" in pull.comments[0].body
    again = len(pull.comments[0].was)
    poster.post(plan)
    assert len(pull.comments[0].was) == again


def test_a_review_of_what_is_no_more_is_not_posted(github: GitHub, pull: Pull, poster: Poster) -> None:
    plan = poster.plan(pull, AT_A)
    now = pull.push({"src/a.py": changed(1)})
    told = poster.refusal(plan)
    assert told == (
        f"pull request 1 is at {now[:12]} by now, and this is about {plan.head[:12]}: it would be about code that is "
        "no more"
    )
    assert github.writes == []


def test_how_far_it_came_is_known_when_it_fails(github: GitHub, pull: Pull, poster: Poster) -> None:
    github.fail(broken(502), on="POST */issues/*/comments", times=20)
    sending = Sending(poster.plan(pull, AT_A), Author(KEY, "review"), poster.api)
    with pytest.raises(PostProblem):
        sending.run()
    assert (sending.posted.comments, sending.posted.written, sending.posted.url) == (1, 1, "")
