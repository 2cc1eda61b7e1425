"""A model of the SDK's for every server that speaks OpenAI's chat completions, straight on the run's connections.

`request` writes what is asked, `stream` reads what is answered, `service` is who is asked, `faults` what goes wrong
there. Their reference is https://platform.openai.com/docs/api-reference/chat; what servers make of it goes further.
"""
