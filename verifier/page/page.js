"use strict";
// Everything that comes back is shown as text (textContent): what a stranger wrote never becomes markup.

const MARKS = { passed: "✓", warning: "!", skipped: "·", inconclusive: "?", failed: "✗" };
const VERDICTS = { verified: "passed", refused: "failed", inconclusive: "inconclusive" };
const FACTS = [
  ["modelId", "model"], ["nodeId", "node"], ["tenantId", "customer"], ["periodStart", "from"], ["periodEnd", "to"],
  ["energyKwh", "energy (kWh)"], ["operationalEmissionsGco2e", "emissions (g CO2e)"],
  ["carbonIntensityGco2ePerKwh", "grid (g CO2e/kWh)"], ["carbonIntensitySource", "grid data"],
  ["measurementMethod", "measured by"], ["assurance", "assurance"],
];
// Characters that hide or turn text round are shown by their code.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

const byId = (id) => document.getElementById(id);
const visible = (text) => String(text).replace(HIDDEN, (char) => `\\u{${char.codePointAt(0).toString(16)}}`);

function element(name, className, text) {
  const created = document.createElement(name);
  if (className) created.className = className;
  if (text !== undefined) created.textContent = visible(text);
  return created;
}

function row(mark, className, name, detail, link) {
  const line = element("tr");
  line.append(element("td", `mark ${className}`, mark));
  const step = element("td", "step", link ? undefined : name);
  if (link) {
    const anchor = element("a", "", name);
    anchor.href = link.url;
    anchor.title = link.name;
    anchor.rel = "noopener";
    step.append(anchor);
  }
  line.append(step, element("td", "detail", detail));
  return line;
}

function showReport(report) {
  const box = element("div");
  box.append(element("p", `verdict ${VERDICTS[report.outcome]}`, report.outcome.toUpperCase()));
  if (report.detail && report.outcome !== "verified") box.append(element("p", "", `${report.problem}: ${report.detail}`));
  const table = element("table");
  const facts = [["document", `${report.kind} ${report.id || ""}`], ["issuer", report.issuer], ["holder", report.holder]];
  if (report.outcome === "verified") facts.push(...FACTS.map(([claim, name]) => [name, (report.subject || {})[claim]]));
  for (const [name, value] of facts) if (value) table.append(row("", "", name, value));
  for (const check of report.checks) {
    const findings = check.findings || [check];
    findings.forEach((finding, index) => {
      const detail = finding.detail + (finding.problem ? `  [${finding.problem}]` : "");
      table.append(row(MARKS[finding.result], finding.result, index ? "" : check.step, detail, index ? null : check.spec));
    });
  }
  box.append(table);
  (report.credentials || []).forEach((inner, index) => {
    const nested = element("div", "inner");
    nested.append(element("h2", "", report.kind === "VerifiablePresentation" ? `Credential ${index + 1}` : "The window's credential that this rests on"), showReport(inner));
    box.append(nested);
  });
  return box;
}

function request(parsed) {
  const options = { allowSimulated: byId("simulated").checked };
  if (parsed.type === undefined && parsed.record && parsed.inclusion) {
    return ["/receipts/verify", { receipt: parsed, options }];
  }
  if (![].concat(parsed.type || []).includes("VerifiablePresentation")) {
    return ["/credentials/verify", { verifiableCredential: parsed, options }];
  }
  for (const name of ["challenge", "domain"]) if (byId(name).value) options[name] = byId(name).value;
  return ["/presentations/verify", { verifiablePresentation: parsed, options }];
}

async function verify(event) {
  event.preventDefault();
  const result = byId("result");
  const button = byId("verify");
  button.disabled = true;
  result.hidden = false;
  result.replaceChildren(element("p", "note", "Checking…"));
  try {
    const [path, body] = request(JSON.parse(byId("document").value));
    const answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const content = await answer.json();
    result.replaceChildren(content.report ? showReport(content.report) : element("p", "failed", content.detail));
  } catch (error) {
    result.replaceChildren(element("p", "failed", error instanceof SyntaxError ? `This is not JSON: ${error.message}` : error.message));
  } finally {
    button.disabled = false;
  }
}

byId("form").addEventListener("submit", verify);
byId("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) byId("document").value = await file.text();
});
