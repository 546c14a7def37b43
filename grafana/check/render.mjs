// node render.mjs --prometheus URL --out DIR [options] FILE...   Draws dashboards without Grafana; see README.md.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import esbuild from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const { values: flags, positionals: files } = parseArgs({ allowPositionals: true, options: {
  prometheus: { type: 'string' }, out: { type: 'string', default: '.' }, var: { type: 'string', multiple: true, default: [] },
  from: { type: 'string' }, to: { type: 'string' }, width: { type: 'string', default: '1600' }, theme: { type: 'string', default: 'dark' }, scale: { type: 'string', default: '1' },
  'scrape-interval': { type: 'string', default: '15s' }, expand: { type: 'boolean', default: false }, chromium: { type: 'string', default: process.env.CHROMIUM ?? 'chromium' },
} });
if (!flags.prometheus || !files.length) {
  console.error('usage: node render.mjs --prometheus URL [--out DIR] [--var NAME=VALUE]... [--from now-6h] [--to now] [--width 1600] [--scale 1] [--theme dark|light] [--scrape-interval 15s] [--expand] FILE...');
  process.exit(2);
}
const chosen = {};
for (const [, name, value] of flags.var.map((v) => /^(\w+)=(.*)$/s.exec(v))) (chosen[name] ??= []).push(value);

async function bundle(outdir) {
  await esbuild.build({ entryPoints: [path.join(here, 'page/page.jsx')], outdir, bundle: true, format: 'esm', jsx: 'automatic', minify: true, logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' }, loader: { '.woff': 'file', '.woff2': 'file', '.svg': 'dataurl', '.png': 'dataurl', '.ttf': 'file' }, absWorkingDir: here });
}

/** The page, its icons, the dashboard and, so that the page need not ask another origin, Prometheus. */
function serve(outdir, input) {
  const icons = path.join(here, 'node_modules/@grafana/ui/dist/public');
  const types = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.woff': 'font/woff' };
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url, 'http://page');
    try {
      if (url.pathname === '/') response.setHeader('Content-Type', 'text/html').end('<!doctype html><meta charset=utf-8><link rel=stylesheet href=/page.css><body><div id=root></div><script type=module src=/page.js></script>');
      else if (url.pathname === '/input.json') response.end(JSON.stringify(input.current));
      else if (url.pathname.startsWith('/prometheus/')) {
        const answer = await fetch(flags.prometheus.replace(/\/$/, '') + url.pathname.slice('/prometheus'.length) + url.search);
        response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(Buffer.from(await answer.arrayBuffer()));
      } else {
        const name = path.normalize(url.pathname);
        const file = name.startsWith('/public/build/') ? path.join(icons, name.slice('/public/build'.length)) : path.join(outdir, name);
        const content = fs.readFileSync(file);
        response.writeHead(200, { 'Content-Type': types[path.extname(file)] ?? 'application/octet-stream' }).end(content);
      }
    } catch (error) {
      response.writeHead(error.code === 'ENOENT' ? 404 : 502).end(JSON.stringify({ status: 'error', error: `${error.message} ${error.cause?.message ?? ''}` }));
    }
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** Chromium, spoken to over a pipe in its DevTools protocol. */
class Browser {
  constructor(profile) {
    this.process = spawn(flags.chromium, ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--hide-scrollbars',
      '--remote-debugging-pipe', `--user-data-dir=${profile}`, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    this.waiting = new Map();
    this.count = 0;
    this.log = [];
    let rest = '';
    this.process.stdio[4].setEncoding('utf8').on('data', (chunk) => {
      const parts = (rest + chunk).split('\0');
      rest = parts.pop();
      for (const message of parts.map((p) => JSON.parse(p))) {
        if (message.id) this.waiting.get(message.id)(message);
        else if (message.method === 'Runtime.exceptionThrown') this.log.push(message.params.exceptionDetails.exception?.description ?? message.params.exceptionDetails.text);
        else if (message.method === 'Runtime.consoleAPICalled' && message.params.type === 'error') this.log.push(message.params.args.map((a) => a.value ?? a.description).join(' '));
      }
    });
    this.process.on('error', (error) => { console.error(error.message); process.exit(1); });
  }
  send(method, params = {}, sessionId = this.session) {
    const id = ++this.count;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.waiting.set(id, (m) => (m.error ? reject(new Error(`${method}: ${m.error.message}`)) : resolve(m.result))));
  }
  async open() {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    this.session = (await this.send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
    await this.send('Runtime.enable');
    await this.send('Page.enable');
  }
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function draw(browser, address, file) {
  const width = Number(flags.width), size = (height) => browser.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: Number(flags.scale), mobile: false });
  browser.log.length = 0;
  await size(1000);
  await browser.send('Page.navigate', { url: `${address}/?theme=${flags.theme}` });
  let settled;
  for (let i = 0; i < 600 && !settled; i++, await sleep(100)) settled = await browser.evaluate('window.settled');
  if (!settled) throw new Error(`${file}: the page did not finish within a minute\n${browser.log.join('\n')}`);
  await size(Math.min(settled.height, 16000));
  await sleep(1500); // fonts, icons, canvases
  const { data } = await browser.send('Page.captureScreenshot', { format: 'png' });
  const png = path.join(flags.out, `${path.basename(file, '.json')}.png`);
  fs.writeFileSync(png, Buffer.from(data, 'base64'));
  console.log(`${png} (${width}x${settled.height})`);
  const panels = await browser.evaluate('window.finish()');
  for (const p of panels) {
    const notes = [p.error && `ERROR ${p.error}`, p.noData && 'no data', ...(p.notes ?? []), p.cut.length && `cut off: ${p.cut.slice(0, 5).map((c) => JSON.stringify(c.slice(0, 60))).join(', ')}${p.cut.length > 5 ? ` and ${p.cut.length - 5} more` : ''}`, p.scrolls.length && `scrolls: ${p.scrolls.join(', ')}`].filter(Boolean);
    if (notes.length) console.log(`  ${p.type} "${p.title}": ${notes.join('; ')}`);
  }
  for (const line of new Set([...browser.log, ...(settled.error ? [settled.error] : [])])) console.log(`  page: ${line.slice(0, 400)}`);
  return settled.error || panels.some((p) => p.error) ? 1 : 0;
}

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'grafana-render-'));
fs.mkdirSync(flags.out, { recursive: true });
await bundle(path.join(scratch, 'page'));
const input = {}, server = await serve(path.join(scratch, 'page'), input), browser = new Browser(path.join(scratch, 'profile'));
let failed = 0;
try {
  await browser.open();
  for (const file of files) {
    const json = JSON.parse(fs.readFileSync(file, 'utf8'));
    input.current = { dashboard: json.dashboard ?? json, chosen, width: Number(flags.width), from: flags.from, to: flags.to, expand: flags.expand, scrapeInterval: flags['scrape-interval'] };
    failed |= await draw(browser, `http://127.0.0.1:${server.address().port}`, file);
  }
  await browser.send('Browser.close', {}, undefined).catch(() => {});
} finally {
  const ended = browser.process.exitCode !== null || new Promise((resolve) => browser.process.on('exit', resolve));
  await Promise.race([ended, sleep(3000).then(() => browser.process.kill())]);
  server.close();
  fs.rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(failed);
