# Written by `make docs` from Dockerfile; it has another LOCK.
# The image of the action. Builds with BuildKit and with the classic builder, so no `RUN --mount` and no here-documents.
# Its layers stand in the order of how seldom they change, and the same sources give the same bytes: what a release did
# not change, nobody pulls again.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS dependencies
# Which lock of requirements/: `runtime`, or `all` for every provider that is hosted.
ARG LOCK=all
RUN python -m venv /opt/venv
COPY requirements/${LOCK}.txt requirements/leave_out.py /tmp/
# Wheels only: no package runs code of its own while it is installed, and no compiler is needed. Bytecode is never checked
# against its source: a container starts from it as it is, whatever times a copy gives.
RUN /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-compile \
        --no-deps --require-hashes --only-binary :all: -r "/tmp/$LOCK.txt" \
    && /opt/venv/bin/python -m pip uninstall --quiet --yes pip \
    && packages="$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && python /tmp/leave_out.py "$packages" \
    && /opt/venv/bin/python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash "$packages" \
    # Ours stays beside the dependencies, not among them, so that a change of ours is a small layer.
    && echo /opt/strands-action > "$packages/strands-action.pth" \
    && mkdir -p /layer/opt && mv /opt/venv /layer/opt && find /layer -exec touch -h -d 2000-01-01 {} +

FROM ${BASE} AS application
COPY runner /opt/strands-action/runner
COPY entrypoint.py /opt/strands-action/entrypoint.py
RUN python -m compileall -q -f --invalidation-mode unchecked-hash /opt/strands-action \
    && mkdir -p /layer/opt && mv /opt/strands-action /layer/opt && find /layer -exec touch -h -d 2000-01-01 {} +

FROM ${BASE}
# No file makes a tool's user another one. The base ships its standard library without bytecode: compile what runs need
# of it once, here.
RUN touch /dev/began \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash \
        -x '/(_pyrepl|ensurepip|idlelib|pydoc_data|site-packages|test|tkinter|turtledemo|unittest|venv|wsgiref|xmlrpc)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && find / -xdev -newer /dev/began -exec touch -h -d 2000-01-01 {} +
# A directory that is copied into another keeps its time; one that is named as the target would not.
COPY --from=dependencies /layer /
COPY --from=application /layer /
# Nothing here may install anything later. That something is gone has a time of its own, so it is said last.
RUN stdlib="$(python -I -B -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && rm -rf "$stdlib/ensurepip" "$stdlib"/site-packages/pip* /usr/local/bin/pip*

ARG VERSION=0.0.0+local
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="strands-action" \
      org.opencontainers.image.description="Declarative agent workflows in CI" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# The runner demands root and its own working directory, so there is no USER and no WORKDIR. `-I`: the working directory
# is a workspace that strangers write to, and neither it nor PYTHON* may name what is imported. `-u`: log lines leave at
# once. action.yml says the same line again, so that no caller's input can replace it.
ENTRYPOINT ["/opt/venv/bin/python", "-I", "-u", "/opt/strands-action/entrypoint.py"]
