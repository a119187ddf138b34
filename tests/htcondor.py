"""Reads the submit descriptions and the DAG of a folder, the former with HTCondor's own library."""

import os
import sys

os.environ.setdefault("CONDOR_CONFIG", "ONLY_ENV")
import htcondor2

folder = sys.argv[1]


def read(name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def check(right, told):
    if not right:
        raise SystemExit(told)


shards = htcondor2.Submit(read("shards.sub"))
check(shards.getQArgs() == "$(shards)", f"shards.sub queues {shards.getQArgs()}")
check(shards.expand("arguments") == f"1 {shards['shards']}", f"arguments of the first job: {shards.expand('arguments')}")
check(shards.expand("transfer_output_files") == "shard-1", "another folder comes back than shard.sh writes")
merge = htcondor2.Submit(read("merge.sub"))
parts = " ".join(f"shard-{n + 1}" for n in range(int(shards["shards"])))
check(f"merge {parts} " in merge.expand("arguments"), "merge.sub does not join every shard")

jobs, edges = {}, []
for line in read("touchstone.dag").splitlines():
    words = line.split()
    if not words or words[0].startswith("#"):
        continue
    if words[0] == "JOB" and len(words) == 3:
        jobs[words[1]] = words[2]
    elif words[0] == "PARENT" and "CHILD" in words:
        middle = words.index("CHILD")
        edges += [(a, b) for a in words[1:middle] for b in words[middle + 1 :]]
    else:
        raise SystemExit(f"no such command: {line}")
for name in jobs.values():
    read(name)
check(edges, "nothing comes after anything")
for edge in edges:
    check(set(edge) <= set(jobs), f"no such job: {edge}")
