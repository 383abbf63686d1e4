"use strict";
// Everything that comes back is shown as text (textContent): what a stranger wrote never becomes markup.

const MARKS = { passed: "✓", warning: "!", skipped: "·", inconclusive: "?", failed: "✗" };
const VERDICTS = { verified: "passed", refused: "failed", inconclusive: "inconclusive" };
const FACTS = [
  ["modelId", "model"], ["nodeId", "node"], ["tenantId", "customer"], ["periodStart", "from"], ["periodEnd", "to"],
  ["energyKwh", "energy (kWh)"], ["operationalEmissionsGco2e", "emissions (g CO2e)"],
  ["grid", "grid"],
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

function headline(report) {
  const warned = report.outcome === "verified" ? report.warned_of || [] : [];
  const words = report.outcome.toUpperCase() + (warned.length ? `, with warnings: ${warned.join(", ")}` : "");
  return element("p", `verdict ${warned.length ? "warning" : VERDICTS[report.outcome]}`, words);
}

function showReport(report) {
  const box = element("div");
  box.append(headline(report));
  if (report.detail && report.outcome !== "verified") box.append(element("p", "", `${report.problem}: ${report.detail}`));
  const table = element("table");
  const facts = [["document", `${report.kind} ${report.id || ""}`], ["issuer", report.issuer], ["holder", report.holder]];
  const claims = { ...report.subject, grid: report.grid && report.grid.line };
  if (report.outcome === "verified") facts.push(...FACTS.map(([claim, name]) => [name, claims[claim]]));
  const customer = facts.find(([name]) => name === "customer");
  if (report.kind === "receipt" && customer && customer[1]) customer[1] += ", as the node named it";
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

// Return the JSON in a field; what is wrong with it is told in words, with the field's name.
function json(id, name) {
  const text = byId(id).value;
  if (!text.trim()) throw new Error(`There is nothing to check yet: paste ${name}, or choose a file.`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON (${name}): ${error.message}`);
  }
}

function request() {
  const parsed = json("document", "a credential, presentation or receipt");
  const options = { allowSimulated: byId("simulated").checked };
  if (parsed === null || typeof parsed !== "object") throw new Error("This is JSON, but no credential, presentation or receipt.");
  if (parsed.type === undefined && parsed.record && parsed.inclusion) {
    const body = { receipt: parsed, options };
    if (byId("window").value.trim()) body.windowCredential = json("window", "the window's credential");
    return ["/receipts/verify", body];
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
    const [path, body] = request();
    const answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const content = await answer.json();
    result.replaceChildren(content.report ? showReport(content.report) : element("p", "failed", content.detail));
  } catch (error) {
    result.replaceChildren(element("p", "failed", error.message));
  } finally {
    button.disabled = false;
  }
}

byId("form").addEventListener("submit", verify);
byId("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) byId("document").value = await file.text();
});
