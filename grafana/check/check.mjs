// node check.mjs [--schema PACKAGE] FILE...   Type-checks dashboard files against Grafana's own types; see README.md.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const args = process.argv.slice(2);
const schema = args[0] === '--schema' ? args.splice(0, 2)[1] : '@grafana/schema';
if (!args.length) { console.error('usage: node check.mjs [--schema PACKAGE] FILE...'); process.exit(2); }

// --- The panel types that the schema knows: plugin id -> module and whether it has field options of its own.
const root = path.join(here, 'node_modules', schema);
const index = ['dist/types/index.d.ts', 'dist/esm/index.d.mts', 'dist/esm/index.d.ts'].map((x) => path.join(root, x)).find((x) => fs.existsSync(x));
const composable = path.join(path.dirname(index), 'raw/composable');
const ids = { statetimeline: 'state-timeline', statushistory: 'status-history', dashboardlist: 'dashlist', annotationslist: 'annolist' };
const kinds = {};
for (const name of fs.readdirSync(composable)) {
  const file = path.join(composable, name, 'panelcfg/x');
  const gen = fs.existsSync(file) && fs.readdirSync(file).find((f) => f.endsWith('gen.d.ts'));
  if (!gen) continue;
  const text = fs.readFileSync(path.join(file, gen), 'utf8');
  const has = (what) => new RegExp(`(interface|type) ${what}\\b`).test(text);
  kinds[ids[name] ?? name] = { module: path.join(file, gen.replace(/\.d\.ts$/, '')), options: has('Options'), custom: has('FieldConfig') };
}

// --- generated.ts: vocabularies that Grafana holds as values.
function vocabularies() {
  globalThis.navigator ??= { language: 'en-GB', languages: ['en-GB'] }; // Node 20 has none
  const data = require('@grafana/data');
  const union = (list) => list.map((x) => JSON.stringify(x)).join(' | ');
  const theme = data.createTheme();
  const units = data.getValueFormats().flatMap((c) => c.submenu.map((f) => f.value));
  const colors = theme.visualization.hues.flatMap((h) => [h.name, ...h.shades.map((x) => x.name)]);
  const transformers = Object.entries(Object.fromEntries(Object.entries(data.standardTransformers).map(([key, t]) => [t.id, key])));
  return `export type Unit = ${union(units)} | 'none' | \`\${'suffix' | 'prefix' | 'time' | 'si' | 'count' | 'currency' | 'bool'}:\${string}\`;
export type Reducer = ${union(data.fieldReducers.list().map((r) => r.id))} | \`p\${number}\`;
export type Color = ${union([...colors, 'text', 'transparent'])} | \`#\${string}\` | \`rgb\${string}\`;
export type Transformers = { ${transformers.map(([id, key]) => `${JSON.stringify(id)}: '${key}'`).join('; ')} };
`;
}

// --- One module per dashboard: a fresh literal for the dashboard itself and one for each panel.
function program(dashboard) {
  const out = [], imports = new Map(), problems = [];
  const panels = (dashboard.panels ?? []).flatMap((p, i) => [[p, `panels[${i}]`],
    ...(p?.type === 'row' ? (p.panels ?? []).map((q, j) => [q, `panels[${i}].panels[${j}]`]) : [])]);
  const literal = (type, value, where) => out.push(`// ${where}\nexport const v${out.length}: ${type} =\n${JSON.stringify(value, null, 1)};\n`);
  literal('t.Dashboard', { ...dashboard, panels: [] }, '');
  const seen = new Set();
  for (const [panel, where] of panels) {
    const label = `${where} "${panel.title ?? ''}"`;
    if (seen.has(panel.id)) problems.push(`${label}: id ${panel.id} is used twice`);
    seen.add(panel.id);
    if (panel.gridPos && panel.gridPos.x + panel.gridPos.w > 24) problems.push(`${label}: reaches beyond the grid's 24 columns`);
    const refs = (panel.targets ?? []).map((t) => t.refId);
    if (new Set(refs).size < refs.length) problems.push(`${label}: two targets have the same refId`);
    if (panel.type === 'row') { literal('t.Row', { ...panel, panels: [] }, label); continue; }
    const kind = kinds[panel.type];
    if (!kind) { problems.push(`${label}: unknown panel type "${panel.type}"`); continue; }
    const name = `p_${panel.type.replaceAll('-', '')}`;
    if (kind.options || kind.custom) imports.set(name, kind.module);
    literal(`t.Panel<'${panel.type}', ${kind.options ? `${name}.Options` : 'Record<string, never>'}, ${kind.custom ? `${name}.FieldConfig` : 'Record<string, never>'}>`, panel, label);
  }
  const text = [`import type * as t from './types';`, ...[...imports].map(([n, m]) => `import type * as ${n} from '${m}';`), ...out].join('\n');
  return { text, problems };
}

/** The path of the JSON value at a place of a generated module, and the comment that says whose it is. */
function locate(source, start) {
  let node = source, keys = [];
  for (let next = source; next; ) {
    node = next;
    next = ts.forEachChild(node, (child) => (child.getStart(source) <= start && start < child.getEnd() ? child : undefined));
    if (!next) break;
    if (ts.isPropertyAssignment(next)) keys.push(`.${next.name.text}`);
    if (ts.isArrayLiteralExpression(node)) keys.push(`[${node.elements.indexOf(next)}]`);
  }
  const statement = source.statements.find((x) => x.getStart(source) <= start && start < x.getEnd());
  const comment = statement && source.text.slice(statement.getFullStart(), statement.getStart(source)).trim().replace(/^\/\/ ?/, '');
  return [comment, keys.join('').slice(1)].filter(Boolean).join(': ');
}

const virtual = new Map([[path.join(here, 'generated.ts'), vocabularies()]]);
const modules = [], errors = [];
args.forEach((file, i) => {
  let dashboard;
  try { dashboard = JSON.parse(fs.readFileSync(file, 'utf8')); } catch (e) { errors.push(`${file}: ${e.message}`); return; }
  const { text, problems } = program(dashboard.dashboard ?? dashboard);
  const name = path.join(here, `dashboard${i}.ts`);
  virtual.set(name, text);
  modules.push([name, file]);
  errors.push(...problems.map((p) => `${file}: ${p}`));
});
const options = { strict: true, noEmit: true, skipLibCheck: true, types: [], lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
  target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
  paths: { '@grafana/schema': [index] } };
const host = ts.createCompilerHost(options);
const { fileExists, readFile, getSourceFile } = host;
host.fileExists = (f) => virtual.has(f) || fileExists(f);
host.readFile = (f) => virtual.get(f) ?? readFile(f);
host.getSourceFile = (f, ...rest) => (virtual.has(f) ? ts.createSourceFile(f, virtual.get(f), options.target, true) : getSourceFile(f, ...rest));
const compiled = ts.createProgram(modules.map(([name]) => name), options, host);
const files = new Map(modules);
for (const diagnostic of ts.getPreEmitDiagnostics(compiled)) {
  const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n    ');
  const file = diagnostic.file && files.get(diagnostic.file.fileName);
  errors.push(file ? `${file}: ${locate(diagnostic.file, diagnostic.start)}:\n    ${text}` : `${diagnostic.file?.fileName ?? 'typescript'}:${diagnostic.start}: ${text}`);
}
for (const error of errors) console.error(error);
console.log(`${args.length} dashboard${args.length === 1 ? '' : 's'}, ${schema} ${JSON.parse(fs.readFileSync(path.join(root, 'package.json'))).version}: ${errors.length ? `${errors.length} errors` : 'ok'}`);
process.exit(errors.length ? 1 : 0);
