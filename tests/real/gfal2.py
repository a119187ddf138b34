"""Does with gfal2, on which transfer services are built, what stdin says, and prints what came of each operation.

stdin has `operations`, each a list of its name and arguments, and perhaps `tokens` by the beginnings of the URLs that they are
for, as a transfer service has them; else that of the environment is for all. The first operation that fails ends it all, with
its error on stderr.
"""

import json
import stat
import sys

import gfal2

CHECKSUM = "ADLER32"

asked = json.load(sys.stdin)


def context(mode=None):
    """Everything as it is installed; copies go one way only, if one is given, and none is made in another way."""
    gfal = gfal2.creat_context()
    tokens = asked.get("tokens", {})
    for prefix, token in tokens.items():
        gfal2.cred_set(gfal, prefix, gfal2.cred_new("BEARER", token))
    if tokens:
        gfal.set_user_agent("fts_url_copy", "3.14")
        gfal.add_client_info("job-id", "00000000-0000-0000-0000-000000000000")
    if mode:
        gfal.set_opt_string("HTTP PLUGIN", "DEFAULT_COPY_MODE", mode)
        gfal.set_opt_boolean("HTTP PLUGIN", "ENABLE_FALLBACK_TPC_COPY", False)
        gfal.set_opt_boolean("HTTP PLUGIN", "ENABLE_STREAM_COPY", False)
    return gfal


def copy(source, destination, mode=None, overwrite=False):
    """A copy as a transfer service makes it: with checksums at both ends, and the directories above the destination."""
    gfal = context(mode)
    parameters = gfal.transfer_parameters()
    parameters.create_parent = True
    parameters.overwrite = overwrite
    parameters.set_checksum(gfal2.checksum_mode.both, CHECKSUM, "")
    return gfal.filecopy(parameters, source, destination)


def look(url):
    """Kind and size."""
    found = context().stat(url)
    return ["directory" if stat.S_ISDIR(found.st_mode) else "file", found.st_size]


OPERATIONS = {
    "mkdir_rec": lambda url: context().mkdir_rec(url, 0o755),
    "stat": look,
    "checksum": lambda url: context().checksum(url, CHECKSUM),
    "listdir": lambda url: sorted(name for name in context().listdir(url) if name not in (".", "..")),
    "copy": copy,
    "rename": lambda source, destination: context().rename(source, destination),
    "unlink": lambda url: context().unlink(url),
    "rmdir": lambda url: context().rmdir(url),
}

results = []
for name, *arguments in asked["operations"]:
    try:
        results.append(OPERATIONS[name](*arguments))
    except gfal2.GError as error:
        raise SystemExit(f"{name} {arguments}: {error.code} {error.message}")
print(json.dumps(results))
