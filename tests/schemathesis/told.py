"""What a run saw, held against the document: every operation must have had a good answer, or the run showed little.

Usage: python -m told OPENAPI TOLD: prints a line an operation and a closing line; exit code 1 when one had no good answer.
"""

import json
import sys

# Operations without a good answer, each with its reason.
NEVER_GOOD = {
    "set_up": "its token is good only in a district without an administrator",
    "import_documents": "only an administrator may, and the run asks as a duty desk",
    "rule": "nothing waits for a ruling in the run's district",
    "list_packs": "only those may who read the work of the whole district, and whom the run asks as does not",
    "get_pack": "no week of the run's district is over, so no pack is frozen",
    "patrol_round": "nobody patrols in the run's district",
    "point_sticker": "no points are placed in the run's district",
}


def main(document, told):
    """Prints, and returns the exit code."""
    with open(document, encoding="utf-8") as file:
        paths = json.load(file)["paths"]
    with open(told, encoding="utf-8") as file:
        seen = json.load(file)
    bad = unasked = 0
    for path, item in paths.items():
        for method, operation in item.items():
            name = operation["operationId"]
            statuses = seen.get(name, {})
            stated = sorted(operation["responses"])
            unseen = [status for status in stated if status not in statuses]
            unasked += len(unseen)
            had = " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()))
            print(f"{method.upper()} {path}: {had or 'nothing'}; stated, not met: {' '.join(unseen) or 'none'}")
            if name not in NEVER_GOOD and not any(status < "400" for status in statuses):
                print(f"  {name}: never a good answer, so its good answers are not tested")
                bad += 1
    operations = sum(len(item) for item in paths.values())
    requests = sum(sum(statuses.values()) for statuses in seen.values())
    print(f"{operations} operations, {requests} requests; {bad} without a good answer; {unasked} stated answers not met")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
