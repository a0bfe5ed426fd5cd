"""JUnit XML of a drill report, one test case a drill, for the pages of CI systems."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree


def render(report: Mapping[str, Any]) -> str:
    """Return the XML."""
    drills = report["drills"]
    suite = ElementTree.Element(
        "testsuite",
        name="herald drills",
        tests=str(len(drills)),
        failures=str(sum(1 for drill in drills if not drill["passed"])),
    )
    for drill in drills:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"drills.{drill['control_plane']}",
            name=f"{drill['name']} on {drill['nodes']} nodes",
        )
        if not drill["passed"]:
            failure = ElementTree.SubElement(case, "failure", message="; ".join(drill["problems"]))
            failure.text = "\n".join(drill["problems"])
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
