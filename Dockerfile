# The server and nothing else: no shell, no libraries, no certificates of others, since whoever
# it calls is named with its authority. The binary is built before and not in here: it is the same
# bytes on every machine with the same Go (make static), and no second image has to be trusted.
#
#   make static
#   buildah build --tag sandbox-apiserver .      # or: docker build --tag sandbox-apiserver .
#
# It runs on a read-only root. What it writes are volumes: see artifacts/server/pod.yaml.
FROM scratch
COPY --chmod=0555 _output/sandbox-apiserver /sandbox-apiserver
USER 65532:65532
ENTRYPOINT ["/sandbox-apiserver"]
