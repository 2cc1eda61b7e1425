"""Inputs as other tools' files write them, in a whole run."""

from __future__ import annotations

import pytest

from tests.servers import OpenAIServer
from tests.workspace import Workspace, chain, workflow


@pytest.mark.parametrize("name", ["topic", "items", "values", "_by_name"])
def test_the_values_of_inputs_are_filled_in_by_either_name(workspace: Workspace, name: str):
    template = f"{{{{ inputs.values.{name} }}}} and {{{{ {name} }}}}"
    with OpenAIServer() as server:
        spec = workflow(
            server.url,
            chain(template),
            inputs={"required": {name: "string"}},
            agents={"writer": {"prompt": f"About {{{{ inputs.values['{name}'] }}}}."}},
            outputs={"step_outputs": {"answer": template}},
        )
        outcome = workspace.run(spec, variables=f"{name}: tea")

    assert outcome.exit_code == 0, outcome.log
    assert outcome.outputs["answer"] == "tea and tea"
    assert server.requests[0].user_texts == ["tea and tea"]
    assert server.requests[0].messages[0]["content"] == "About tea."


def test_an_input_without_a_value_that_has_a_default_in_its_template_needs_none(workspace: Workspace):
    with OpenAIServer() as server:
        outcome = workspace.run(workflow(server.url, chain("{{ inputs.values.tone | default('calm') }}")))

    assert outcome.exit_code == 0
    assert server.requests[0].user_texts == ["calm"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [({"host": "localhost:1"}, "input 'host': 'localhost:1' needs a scheme"),
     ({"region": "eu"}, "input 'region': provider 'openai' takes no region")],
)  # fmt: skip
def test_a_wrong_address_in_an_input_is_not_blamed_on_the_file(workspace: Workspace, inputs: dict[str, str], said: str):
    outcome = workspace.run(workflow("http://x/v1", chain("go")), **inputs)

    assert outcome.exit_code == 2
    assert said in outcome.log
    assert "file=" not in outcome.annotations[0]
