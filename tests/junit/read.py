"""Reads a JUnit report with a library that knows nothing of touchstone, and says what it found, as JSON."""

import json
import sys

from junitparser import Error, Failure, JUnitXml, Skipped

names = {Failure: "fail", Error: "error", Skipped: "skip"}
found = []
for suite in JUnitXml.fromfile(sys.argv[1]):
    for case in suite:
        kinds = [names[type(result)] for result in case.result]
        found.append([suite.name, case.classname, case.name, kinds[0] if kinds else "pass"])
json.dump(found, sys.stdout)
