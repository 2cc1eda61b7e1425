"""Where secrets come from, and what is said of those that cannot be had."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from runner.credentials.secrets import MAX_FILE, absent, resolve
from runner.errors import SecretsMissing
from tests.build import findings_of, plan_of, workflow
from tests.servers.aws import AwsServer


def declared(*secrets: dict[str, Any]) -> dict[str, Any]:
    return workflow(env={"secrets": list(secrets)})


def values(*secrets: dict[str, Any], environ: dict[str, str] | None = None, root: Path = Path("/")) -> dict[str, str]:
    return resolve(plan_of(declared(*secrets)).secrets, environ or {}, root)


def refusal(*secrets: dict[str, Any], environ: dict[str, str] | None = None, root: Path = Path("/")) -> str:
    with pytest.raises(SecretsMissing) as error:
        values(*secrets, environ=environ, root=root)
    assert error.value.exit_code == 2
    return error.value.message


# -- what a file may say ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ({"source": "env"}, "a secret needs a key or a name"),
        ({"key": "a/b", "source": "ssm"},
         "the name 'a/b' may hold only letters, digits and _, no digit first; add a name"),
        ({"name": "1a", "source": "env"}, "the name '1a' may hold only letters, digits and _, no digit first"),
        ({"key": "A", "source": "file"},
         "a secret from a file is found by its path; it has a path, and a name or a key"),
        ({"key": "b", "name": "A", "source": "file", "path": "p"},
         "a secret from a file is found by its path; it has a path, and a name or a key"),
        ({"key": "A", "source": "env", "path": "p"},
         "a secret from the environment is found by its key; it has no path"),
    ],
)  # fmt: skip
def test_a_secret_says_what_it_is_called_and_where_it_is(secret: dict[str, Any], said: str) -> None:
    (found,) = findings_of(declared(secret))
    assert found.split(": ", 1)[1] == f"env.secrets[0]: {said}"


def test_a_secret_that_is_declared_twice_is_told_at_its_second_place() -> None:
    assert findings_of(declared({"key": "A", "source": "env"}, {"name": "A", "source": "env"})) == [
        "workflow.yaml:19:5: secret 'A' stands here again; it was first declared in line 17"
    ]


@pytest.mark.parametrize("where", [{"source": "file", "path": "token"}, {"source": "env", "key": "OTHER"}])
def test_the_key_that_boto3_looks_for_by_itself_can_only_be_in_the_environment(where: dict[str, str]) -> None:
    (found,) = findings_of(declared({"name": "AWS_BEARER_TOKEN_BEDROCK", **where}))
    assert found.endswith(
        ":17:5: boto3 takes AWS_BEARER_TOKEN_BEDROCK from the environment and from nowhere else; set it there"
    )
    assert findings_of(declared({"name": "AWS_BEARER_TOKEN_BEDROCK", "source": "env"})) == []


# -- the environment --------------------------------------------------------------------------------------------------


def test_a_secret_of_the_environment_is_found_by_its_name_or_its_key() -> None:
    environ = {"TOKEN": "one-value", "CI_KEY": "another"}
    secrets = {"name": "TOKEN", "source": "env"}, {"key": "CI_KEY", "name": "OPENAI_API_KEY", "source": "env"}
    assert values(*secrets, environ=environ) == {"TOKEN": "one-value", "OPENAI_API_KEY": "another"}


def test_every_secret_that_is_missing_is_told_with_its_source_and_line_and_none_with_a_value() -> None:
    secrets = [{"key": key, "source": "env"} for key in ("GIVEN", "EMPTY", "ABSENT")]
    said = refusal(*secrets, environ={"GIVEN": "a-value", "EMPTY": ""})
    why = "is not set (secrets are not given to pull requests from forks, nor to Dependabot's)"
    assert said == (
        f"secret 'EMPTY' (source env): the environment variable EMPTY {why} at workflow.yaml:19:5; "
        f"secret 'ABSENT' (source env): the environment variable ABSENT {why} at workflow.yaml:21:5"
    )


def test_what_is_too_short_to_be_scrubbed_is_no_secret() -> None:
    said = refusal({"key": "A", "source": "env"}, environ={"A": "abc"})
    assert "its value is shorter than 4 characters, too short to be kept out of texts" in said


# -- files ------------------------------------------------------------------------------------------------------------

FILE = {"key": "A", "source": "file", "path": "token"}


@pytest.mark.parametrize(
    ("content", "value"),
    [("a-value\n", "a-value"), ("a-value\r\n", "a-value"), ("one\ntwo\n\n", "one\ntwo\n"), (" a-value ", " a-value ")],
)
def test_a_file_holds_a_secret_but_for_the_newline_at_its_end(tmp_path: Path, content: str, value: str) -> None:
    (tmp_path / "token").write_bytes(content.encode())
    assert values(FILE, root=tmp_path) == {"A": value}


def test_a_file_anywhere_is_named_by_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-value")
    assert values({**FILE, "path": str(tmp_path / "token")}) == {"A": "a-value"}


def test_a_file_of_up_to_64_kib_is_read(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a" * MAX_FILE)
    assert len(values(FILE, root=tmp_path)["A"]) == MAX_FILE
    (tmp_path / "token").write_text("a" * (MAX_FILE + 1))
    assert "the file token is larger than 64 KiB" in refusal(FILE, root=tmp_path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "there is no file nowhere"),
        ("directory", "the file directory cannot be read: Is a directory"),
        ("pipe", "pipe is not a regular file"),
        ("../token", "the path '../token' leads out of the workspace; write the whole path"),
        ("link", "the path 'link' leads out of the workspace; write the whole path"),
        ("binary", "the file binary is not UTF-8 text"),
        ("empty", "shorter than 4 characters"),
        ("a\0b", "is not the path of a file"),
    ],
)
def test_what_is_no_file_with_a_secret_is_told(tmp_path: Path, path: str, said: str) -> None:
    root = tmp_path / "workspace"
    (root / "directory").mkdir(parents=True)
    os.mkfifo(root / "pipe")
    (tmp_path / "token").write_text("a-value")
    (root / "link").symlink_to(tmp_path / "token")
    (root / "binary").write_bytes(b"\xff\xfe\x00\x01")
    (root / "empty").touch()
    assert said in refusal({**FILE, "path": path}, root=root)


# -- AWS --------------------------------------------------------------------------------------------------------------


def test_secrets_manager_and_parameters_are_asked_by_name_or_key() -> None:
    secrets = (
        {"key": "prod/token", "name": "TOKEN", "source": "secrets_manager"},
        {"key": "plain", "source": "secrets_manager"},
        {"key": "/prod/parameter", "name": "PARAMETER", "source": "ssm"},
    )
    with AwsServer({"prod/token": "one-value", "plain": "another"}, {"/prod/parameter": "a-third"}) as server:
        found = values(*secrets, environ=server.environ)
    assert found == {"TOKEN": "one-value", "plain": "another", "PARAMETER": "a-third"}
    assert server.asked == [(name, "eu-west-1") for name in ("prod/token", "plain", "/prod/parameter")]


def test_a_path_is_a_key_inside_the_json_of_a_secret_that_is_fetched_once() -> None:
    secret = {"key": "db", "source": "secrets_manager"}
    with AwsServer({"db": '{"user": "admin", "port": 54321}'}) as server:
        found = values(
            {**secret, "name": "USER", "path": "user"},
            {**secret, "name": "PORT", "path": "port"},
            environ=server.environ,
        )
    assert found == {"USER": "admin", "PORT": "54321"}
    assert len(server.requests) == 1


def test_the_region_of_an_arn_goes_before_that_of_the_environment() -> None:
    arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:token-AbCdEf"
    with AwsServer({arn: "a-value"}) as server:
        values({"key": arn, "name": "A", "source": "secrets_manager"}, environ=server.environ)
    assert server.asked == [(arn, "us-west-2")]


def test_aws_is_asked_with_credentials_that_are_secrets_themselves(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("key-from-a-file\n")
    with AwsServer(parameters={"/p": "a-value"}) as server:
        environ = {**server.environ, "AWS_SECRET_ACCESS_KEY": ""}
        found = values(
            {"key": "/p", "name": "A", "source": "ssm"},
            {"key": "AWS_SECRET_ACCESS_KEY", "source": "file", "path": "token"},
            environ=environ,
            root=tmp_path,
        )
    assert found == {"AWS_SECRET_ACCESS_KEY": "key-from-a-file", "A": "a-value"}


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ({"key": "none", "source": "secrets_manager"},
         "AWS does not give 'none': ResourceNotFoundException: no such thing"),
        ({"key": "/none", "source": "ssm"}, "AWS does not give '/none': ParameterNotFound: no such thing"),
        ({"key": "text", "source": "secrets_manager", "path": "a"}, "'text' is not JSON, so it has no 'a'"),
        ({"key": "json", "source": "secrets_manager", "path": "b"}, "the JSON of 'json' has no 'b'"),
        ({"key": "list", "source": "secrets_manager", "path": "b"}, "the JSON of 'list' has no 'b'"),
        ({"key": "bytes", "source": "secrets_manager"}, "'bytes' is binary; a secret is text"),
    ],
)  # fmt: skip
def test_what_aws_does_not_give_is_told_without_a_value(secret: dict[str, Any], said: str) -> None:
    with AwsServer({"text": "VALUE", "json": '{"a": "VALUE"}', "list": '["VALUE"]', "bytes": b"VALUE"}) as server:
        found = refusal({"name": "A", **secret}, environ=server.environ)
    assert found == f"secret 'A' (source {secret['source']}): {said} at workflow.yaml:17:5"


def test_an_aws_that_is_not_there_is_told() -> None:
    with AwsServer() as server:
        environ = server.environ
    said = refusal({"key": "A", "source": "ssm"}, environ={**environ, "AWS_MAX_ATTEMPTS": "1"})
    assert said.startswith("secret 'A' (source ssm): AWS cannot be asked for 'A': Could not connect")


def test_an_address_of_aws_that_is_none_is_told() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "nowhere"}
    said = refusal({"key": "A", "source": "ssm"}, environ=environ)
    assert said.startswith("secret 'A' (source ssm): AWS cannot be asked for 'A': Invalid endpoint: nowhere")


def test_problems_of_all_sources_are_told_at_once_in_the_order_of_the_file() -> None:
    with AwsServer() as server:
        said = refusal({"key": "A", "source": "ssm"}, {"key": "B", "source": "env"}, environ=server.environ)
    assert [part.split(" ")[1] for part in said.split("; ")] == ["'A'", "'B'"]


# -- before a run -----------------------------------------------------------------------------------------------------


def test_what_a_run_would_miss_is_known_without_asking_aws(tmp_path: Path) -> None:
    plan = plan_of(declared({"key": "A", "source": "env"}, FILE | {"key": "B"}, {"key": "C", "source": "ssm"}))
    found = list(absent(plan.secrets, {}, tmp_path))
    assert [(one.level, one.message.split(" ")[1]) for one in found] == [("warning", "'A'"), ("warning", "'B'")]
