"""A GitHub to test against, on a real socket: it keeps repositories, pull requests and what is said there, and behaves
as the host does towards tokens, pages, limits and lines that are not in a diff.

Every request and every answer is checked against what GitHub publishes of its API (`make setup` fetches it); whatever
does not fit fails the test when the server is left. So does what the host would allow and the stand-in does not know.

    with GitHub({"contents": "read", "pull_requests": "write"}) as github:
        pull = github.pull({"src/a.py": ("one\\ntwo\\n", "one\\n2\\n")}, author="mona")
        pull.comment("Please have a look.", by="hubot")
        github.fail(broken(502, after=True), on="POST */comments")   # it is written, and the answer is an error
        post(api=github.api_url, token=TOKEN, event=github.events.pull_request(pull))
        assert [said.body for said in pull.comments][1:] == ["Looks good."]
        pull.push({"src/a.py": "one\\n3\\n"})                          # a new head; threads become outdated
        assert pull.threads[0].outdated
        assert github.writes == ["POST /repos/octocat/hello/issues/1/comments"]

`TOKEN` is the job's own, of `github-actions[bot]`; `github.token("mona", contents="write")` makes another. A public
repository can be read with any token, a private one (`private=True`) needs the permission. `environ` has the addresses.
Who waits for a limit without waiting says so by `github.later(seconds)`; `github.too_early` has who did not wait.
"""

from __future__ import annotations

from .faults import Fault, broken, dropped, primary, secondary, slow, stale
from .repository import Issue, Pull, Repository, Run
from .server import TOKEN, GitHub, Violated
from .state import Job, Spot, Thread

__all__ = [
    "TOKEN",
    "Fault",
    "GitHub",
    "Issue",
    "Job",
    "Pull",
    "Repository",
    "Run",
    "Spot",
    "Thread",
    "Violated",
    "broken",
    "dropped",
    "primary",
    "secondary",
    "slow",
    "stale",
]
