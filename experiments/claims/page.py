"""README.md from results.json: the table of all claims, then a section for each."""

from __future__ import annotations

from typing import Any

from claims_costs import CLAIMS as COSTS
from claims_speed import CLAIMS as SPEED
from claims_training import CLAIMS as TRAINING
from claims_weights import CLAIMS as WEIGHTS
from verdicts import Claim
from wording import paragraph, table

CLAIMS: tuple[Claim, ...] = (*COSTS, *WEIGHTS, *SPEED, *TRAINING)

VERBATIM = ("|", "!", "#")  # tables, pictures, headings: not to be wrapped

INTRODUCTION = """\
# What is claimed of these networks, and what is true on this machine

```
python experiments/claims/run.py all    # or one of: {stages}
```

The papers and the lectures on them say things that can be measured. Each line is measured by the command beside it;
the verdict is made from the numbers by the rule that stands in the claim's section. `results.json` holds every stage
with its command, commit, seed, machine and date; this page is written from it. *Surely* means with a whole 95 %
interval.
"""


def command(stage: str) -> str:
    return f"python experiments/claims/run.py {stage}"


def render(results: dict[str, Any], stages: tuple[str, ...]) -> str:
    """The page; a claim whose stage has no result yet says so."""
    rows, sections = [], []
    for claim in CLAIMS:
        stage = results.get(claim.stage)
        verdict, measured = claim.judge(stage["result"]) if stage else ("not measured yet", "")
        rows.append(
            [claim.title, claim.said_by, measured, f"**{verdict}**" if stage else verdict, f"`run.py {claim.stage}`"]
        )
        sections.append(section(claim, stage, verdict, measured))
    head = ["claim", "said by", "measured", "verdict", "command"]
    return "\n".join([INTRODUCTION.format(stages=", ".join(stages)), table(head, rows), "", *sections])


def section(claim: Claim, stage: dict[str, Any] | None, verdict: str, measured: str) -> str:
    lines = [f"## {claim.title}", f"Rule: {claim.rule}"]
    if stage:
        lines += [f"Measured: {measured}. **{verdict.capitalize()}.**", claim.numbers(stage["result"]), origin(stage)]
    else:
        lines.append(f"Not measured yet: `{command(claim.stage)}`.")
    blocks = "\n\n".join(lines).split("\n\n")
    return "\n\n".join(block if block.startswith(VERBATIM) else paragraph(block) for block in blocks) + "\n"


def origin(stage: dict[str, Any]) -> str:
    machine = stage["machine"]
    load = f", load {machine['load'][0]:.1f}" if machine["load"] else ""
    return (
        f"`{stage['command']}`, commit {stage['commit'][:7]}, seed {stage['seed']}, {stage['date'][:10]}, "
        f"{machine['cores']} cores of {machine['cpu']}{load}."
    )
