"""The steps of the demo, in the order in which a user would take them."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import threading
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
from rich.console import Console
from rich.markup import escape

from demo.programs import Service, StepError, require_free_port, run, run_json

RESULTS: Final = (
    "credential.json",
    "revoked.json",
    "presentation.json",
    "did.json",
    "status-list.json",
    "suspension-list.json",
    "telemetry.json",
    "node-key.json",
    "report.json",
)
MODEL: Final = "meta-llama/Llama-3.1-8B-Instruct"
CHALLENGE: Final = "audit-2026-4711"
DOMAIN: Final = "auditor.example"
WORK_S: Final = "1.2"
TDP_W: Final = 1_200
"""More than any GPU of today draws: the demo does not know which one it runs on."""


class Walk:
    """Where the demo keeps things, on which ports it speaks, and which step it is at."""

    def __init__(self, out: Path, issuer_port: int, verifier_port: int) -> None:
        """Name the folders and addresses; nothing is touched yet."""
        self.out = out
        self.state = out / "state"
        self.issuer_port = issuer_port
        self.verifier_port = verifier_port
        self.issuer_url = f"http://localhost:{issuer_port}"
        self.verifier_url = f"http://127.0.0.1:{verifier_port}"
        self.step = ""
        self.environment = {
            "GREEN_ISSUER_DATA_DIR": str(self.state / "issuer"),
            "GREEN_ISSUER_PUBLIC_URL": self.issuer_url,
            "GREEN_ISSUER_DEVELOPMENT": "1",
            "GREEN_AGENT_HOME": str(self.state / "agent"),
            "GREEN_AGENT_DEVELOPMENT": "1",
            "GREEN_VERIFIER_DEVELOPMENT": "1",
            "GREEN_WALLET_HOME": str(self.state / "wallet"),
        }

    def clear(self) -> None:
        """Remove what an earlier walk left: our own files by name, never the folder itself."""
        self.out.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.state, ignore_errors=True)
        for name in RESULTS:
            (self.out / name).unlink(missing_ok=True)
        self.state.mkdir(mode=0o700)

    def file(self, name: str) -> str:
        """Return the path of a result as text."""
        return str(self.out / name)


class Story:
    """Tells the walk to the console while it happens; the services live as long as the `with` block."""

    def __init__(self, walk: Walk, console: Console) -> None:
        """Prepare to tell ``walk``; nothing is started yet."""
        self._walk = walk
        self._console = console
        self._services = ExitStack()
        self._number = 0
        self._inferences: list[str] = []

    def __enter__(self) -> Self:
        """Return the story itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the services, whatever happened."""
        self._services.close()

    def tell(self) -> None:
        """Walk the whole way. Raises StepError with the step that failed in ``walk.step``."""
        self._say_where()
        self._prepare()
        self._start_services()
        self._enrol()
        self._measure()
        self._collect()
        self._verify()
        self._revoke()
        self._present()
        self._verify_offline()
        self._look_next()

    def stay_up(self, forever: threading.Event) -> None:
        """Keep issuer and verifier running until a signal ends the process."""
        walk = self._walk
        self._console.print(
            f"\nIssuer [bold]{walk.issuer_url}[/] and verifier [bold]{walk.verifier_url}[/] stay up. Ctrl-C stops them."
        )
        forever.wait()

    # -- the steps --

    def _say_where(self) -> None:
        self._console.print("The real programs of this project run here, each command as you would type it, after")
        self._console.print("  . .venv/bin/activate", style="dim", markup=False)
        for name, value in self._walk.environment.items():
            self._console.print(f"  export {name}={shlex.quote(value)}", style="dim", markup=False)
        self._console.print("The variables ending in DEVELOPMENT allow http and this machine: for trying out only.")

    def _prepare(self) -> None:
        walk = self._walk
        self._begin("A customer makes a wallet, an operator sets up an issuer")
        require_free_port(walk.issuer_port, "ISSUER_PORT")
        require_free_port(walk.verifier_port, "VERIFIER_PORT")
        walk.clear()
        holder = str(self._json("green-wallet", "init")["did"])
        issuer = str(self._json("green-issuer", "init")["did"])
        self._run("green-issuer", "tenants", "add", "acme", "--name", "Acme Research", "--subject", holder)
        self._say(f"The issuer is [bold]{issuer}[/]. Its customer [bold]acme[/] holds [bold]{holder[:28]}…[/]")

    def _start_services(self) -> None:
        walk = self._walk
        self._begin("Issuer and verifier start")
        self._serve("green-issuer", walk.issuer_port, f"{walk.issuer_url}/healthz")
        self._serve("green-verifier", walk.verifier_port, f"{walk.verifier_url}/healthz")
        did = self._get(f"{walk.issuer_url}/.well-known/did.json")
        (walk.out / "did.json").write_bytes(did)
        self._say(f"Anyone can read the issuer's keys at {walk.issuer_url}/.well-known/did.json")

    def _enrol(self) -> None:
        walk = self._walk
        self._begin("A GPU node is enrolled: from now on the issuer knows its public key")
        # The exit code is 1 where no device can be measured, and the agent then simulates one.
        meters = self._json("green-agent", "meters", expect=(0, 1)).get("meters")
        gpus = len(meters) if isinstance(meters, list) else 0
        simulated = gpus == 0
        invitation = self._json(
            *("green-issuer", "nodes", "invite", "node-1", "--tenant", "acme"),
            *("--region", "DEU", "--tdp-w", str(TDP_W * max(gpus, 1))),
            *(("--simulated",) if simulated else ()),
        )
        self._run("green-agent", "enroll", "--issuer", walk.issuer_url, "--token", str(invitation["token"]))
        if simulated:
            self._say(
                "This machine has no GPU that can be read, so the agent [bold]simulates[/] one. Every credential\n"
                "will say so: its type carries [bold]SimulatedCredential[/], and a verifier refuses it by default."
            )
        else:
            self._say(f"The agent measures {gpus} GPU(s) of this machine.")

    def _measure(self) -> None:
        self._begin("Two inferences run under the agent's meter")
        for number in (1, 2):
            name = f"demo-inference-{number}"
            self._run(
                *("green-agent", "run", "--model", MODEL, "--inference-id", name, "--"),
                *(sys.executable, "-m", "demo.workload", WORK_S),
            )
            self._inferences.append(name)
        self._run("green-agent", "submit")
        self._say("Each measurement was signed by the node's key and sent; the issuer answered with a credential.")

    def _collect(self) -> None:
        walk = self._walk
        self._begin("The customer collects its credentials")
        key = str(self._json("green-issuer", "api-keys", "add", "--tenant", "acme", "--scope", "read")["key"])
        for name, target in zip(self._inferences, ("credential.json", "revoked.json"), strict=True):
            url = f"{walk.issuer_url}/api/v1/certificate/{name}/vc"
            (walk.out / target).write_bytes(self._get(url, key))
            self._run("green-wallet", "import", walk.file(target), "--development")
        credential = json.loads((walk.out / "credential.json").read_bytes())
        evidence = credential["evidence"][0]
        (walk.out / "telemetry.json").write_bytes(self._get(evidence["id"]))
        folder = evidence["id"].rpartition("/")[0]
        (walk.out / "node-key.json").write_bytes(self._get(f"{folder}/{evidence['signedBy']}"))
        subject = credential["credentialSubject"]
        self._say(
            f"[bold]{escape(subject['inferenceId'])}[/]: {subject['energyKwh']} kWh × "
            f"{subject['carbonIntensityGco2ePerKwh']} gCO2e/kWh = [bold]{subject['operationalEmissionsGco2e']} gCO2e[/]\n"
            f"  grid factor: {escape(subject['carbonIntensitySource'])}, {subject['gridRegion']}, "
            f"data year {subject.get('carbonIntensityYear', '—')}"
        )

    def _verify(self) -> None:
        self._begin("An auditor verifies the credential, and tampers with it to see what happens")
        self._verdict("credential.json", 0)
        document = json.loads((self._walk.out / "credential.json").read_bytes())
        document["credentialSubject"]["energyKwh"] = "0.000001"
        tampered = self._walk.state / "tampered.json"
        tampered.write_text(json.dumps(document))
        report = self._json("green-verifier", "verify", str(tampered), "--allow-simulated", expect=(1,))
        self._say(f"A smaller energyKwh written into it: [bold red]{report['outcome']}[/] ({_problem(report)})")

    def _revoke(self) -> None:
        walk = self._walk
        self._begin("The issuer revokes the second credential; the same check now refuses it")
        self._verdict("revoked.json", 0)
        self._run(
            *("green-issuer", "revoke", self._inferences[1], "--tenant", "acme"),
            *("--reason", "demonstration: the meter was found faulty"),
        )
        self._verdict("revoked.json", 1)
        status = json.loads((walk.out / "credential.json").read_bytes())["credentialStatus"]
        (walk.out / "status-list.json").write_bytes(self._get(status["statusListCredential"]))
        (walk.out / "suspension-list.json").write_bytes(self._get(status["suspensionListCredential"]))

    def _present(self) -> None:
        walk = self._walk
        self._begin("The customer presents the good one to the auditor, who asked with a challenge")
        self._run(
            *("green-wallet", "present", self._inferences[0], "--challenge", CHALLENGE, "--domain", DOMAIN),
            *("--out", walk.file("presentation.json")),
        )
        presentation = json.loads((walk.out / "presentation.json").read_bytes())
        answer = httpx.post(
            f"{walk.verifier_url}/presentations/verify",
            json={
                "verifiablePresentation": presentation,
                "options": {"challenge": CHALLENGE, "domain": DOMAIN, "allowSimulated": True},
            },
            timeout=30.0,
            trust_env=False,
        )
        if answer.status_code != httpx.codes.OK or answer.json().get("verified") is not True:
            raise StepError(f"the verifier's service answered {answer.status_code}: {answer.text[:2000]}")
        self._say("The verifier's service says: [bold green]verified[/], held by the customer named in the credential.")

    def _verify_offline(self) -> None:
        walk = self._walk
        self._begin("Years later, without network or issuer: the same verdict from the files alone")
        words = (
            *("green-verifier", "verify", walk.file("credential.json"), "--offline", "--evidence", str(walk.out)),
            *("--trust-evidence", "--allow-simulated"),
        )
        report = self._run(*words, "--json")
        (walk.out / "report.json").write_text(report)
        self._say(f"[bold green]{json.loads(report)['outcome']}[/]")

    def _look_next(self) -> None:
        walk = self._walk
        self._console.print("\n[bold]Where to look next[/]")
        self._console.print(
            f"  {walk.file('credential.json')}   what the customer holds\n"
            f"  {walk.file('report.json')}       every check of the verifier, with its reason\n"
            f"  .venv/bin/green-verifier verify {walk.file('credential.json')} --offline --evidence {walk.out} "
            "--trust-evidence --allow-simulated\n"
            "  README.md                  the same walk by hand, and what each part proves",
            markup=False,
        )

    # -- how a step acts and speaks --

    def _begin(self, sentence: str) -> None:
        self._number += 1
        self._walk.step = f"Step {self._number} ({sentence})"
        self._console.print(f"\n[bold cyan]{self._number}. {sentence}[/]")

    def _say(self, sentence: str) -> None:
        self._console.print(sentence)

    def _show(self, words: tuple[str, ...]) -> None:
        shown = ["…" if previous == "--token" else word for previous, word in zip(("", *words), words, strict=False)]
        shown = ["python" if word == sys.executable else word for word in shown]
        self._console.print(f"  $ {shlex.join(shown)}", style="dim", markup=False)

    def _run(self, *words: str, expect: Collection[int] = (0,)) -> str:
        self._show(words)
        return run(words, self._walk.environment, expect=expect)

    def _json(self, *words: str, expect: Collection[int] = (0,)) -> dict[str, object]:
        self._show(words)
        return run_json(words, self._walk.environment, expect=expect)

    def _verdict(self, name: str, expect: int) -> None:
        report = self._json("green-verifier", "verify", self._walk.file(name), "--allow-simulated", expect=(expect,))
        warned = report.get("warned_of")
        colour = "red" if expect else "yellow" if warned else "green"
        reason = f" ({_problem(report)})" if expect else f", with warnings: {', '.join(warned)}" if warned else ""
        self._say(f"[bold {colour}]{report['outcome']}[/]{reason}")

    def _serve(self, program: str, port: int, url: str) -> None:
        words = (program, "serve", "--host", "127.0.0.1", "--port", str(port))
        self._show(words)
        service = Service(words, self._walk.environment, self._walk.state / f"{program}.log")
        self._services.callback(service.stop)
        service.wait_until_up(url)

    def _get(self, url: str, key: str | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = httpx.get(url, headers=headers, timeout=10.0, trust_env=False)
        if not answer.is_success:
            raise StepError(f"GET {url} answered {answer.status_code}: {answer.text[:500]}")
        return answer.content


def _problem(report: dict[str, object]) -> str:
    problem = report.get("problem")
    return escape(str(problem).rpartition("#")[2]) if problem else "no problem named"
