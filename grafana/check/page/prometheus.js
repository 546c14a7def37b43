// Variables and queries: what Grafana's template engine and its Prometheus data source do.
import { FieldType, rangeUtil, toDataFrame } from '@grafana/data';

async function api(path, params) {
  const response = await fetch(`/prometheus/api/v1/${path}?${new URLSearchParams(params)}`);
  const answer = await response.json().catch(() => ({ error: `HTTP ${response.status}` }));
  if (answer.status !== 'success') throw new Error(answer.error ?? 'no answer');
  return answer.data;
}

// --- Variables

const escapeRegex = (s) => String(s).replace(/[\\^$*+?.()|[\]{}\/]/g, '\\\\$&');
const escapeString = (s) => String(s).replace(/\\/g, '\\\\').replace(/'/g, "\\\\'");

export class Variables {
  constructor(range, scoped = {}) { Object.assign(this, { list: [], range, scoped }); }
  with(scoped) { return Object.assign(new Variables(this.range, { ...this.scoped, ...scoped }), { list: this.list }); }

  /** Works out options and value of each variable in turn; `chosen` holds values from the command line. */
  async load(models, chosen) {
    for (const model of models) {
      const variable = { ...model, options: await this.options(model) };
      const values = variable.options.map((o) => o.value);
      const current = [chosen[model.name] ?? model.current?.value ?? []].flat().filter((v) => v !== '');
      const known = current.filter((v) => v === '$__all' || values.includes(v));
      if (['constant', 'textbox'].includes(model.type)) variable.value = chosen[model.name]?.[0] ?? values[0];
      else if (chosen[model.name]?.[0] === 'All' || known[0] === '$__all' || (!current.length && model.includeAll)) variable.all = true;
      else variable.value = known.length ? known : chosen[model.name] ?? values.slice(0, 1);
      if (!variable.all && !model.multi) variable.value = [variable.value].flat()[0] ?? '';
      this.list.push(variable);
    }
    return this;
  }

  async options(model) {
    const query = this.fill(typeof model.query === 'string' ? model.query : model.query?.query ?? '', { prom: model.type === 'query' });
    let values;
    if (model.type === 'query') values = await this.lookUp(query);
    else if (model.type === 'datasource') values = ['Prometheus'];
    else if (model.type === 'constant' || model.type === 'textbox') values = [query || model.current?.value];
    else values = query.split(',').map((v) => v.trim()).filter(Boolean);
    let options = values.map((v) => ({ text: v, value: v }));
    if (model.regex && model.type === 'query') {
      const [, body, flags] = /^\/(.*)\/(\w*)$/s.exec(model.regex) ?? [null, model.regex, ''];
      const regex = new RegExp(body, flags.replace('g', ''));
      options = options.map((o) => regex.exec(o.value)).filter(Boolean).map((m) => {
        const value = m.groups?.value ?? m[1] ?? m[0];
        return { value, text: m.groups?.text ?? value };
      });
    }
    const sort = model.sort ?? 0;
    if (sort) options.sort((a, b) => (sort % 2 ? 1 : -1) * (sort === 3 || sort === 4 ? parseFloat(a.text) - parseFloat(b.text) : sort < 3 ? (a.text < b.text ? -1 : 1) : a.text.localeCompare(b.text, undefined, { numeric: sort > 6 })));
    return options;
  }

  async lookUp(query) {
    const time = { start: this.range.from / 1000, end: this.range.to / 1000 };
    let m;
    if ((m = /^label_values\((?:(.+),)?\s*([\w.]+)\s*\)\s*$/s.exec(query))) return api(`label/${m[2]}/values`, m[1] ? { ...time, 'match[]': m[1].trim() } : time);
    if ((m = /^label_names\(\)\s*$/.exec(query))) return api('labels', time);
    if ((m = /^metrics\((.+)\)\s*$/.exec(query))) return (await api('label/__name__/values', time)).filter((n) => new RegExp(m[1]).test(n));
    if ((m = /^query_result\((.+)\)\s*$/s.exec(query))) {
      const data = await api('query', { query: m[1], time: time.end });
      return data.result.map((r) => `${metricName(r.metric)} ${r.value[1]} ${r.value[0] * 1000}`);
    }
    throw new Error(`variable query not understood: ${query}`);
  }

  /** Values of a variable as a list, "All" written out. */
  values(variable) { return variable.all ? variable.options.map((o) => o.value) : [variable.value].flat(); }

  text(variable) {
    if (variable.all && !(variable.name in this.scoped)) return 'All';
    return [variable.value].flat().map((v) => variable.options.find((o) => o.value === v)?.text ?? v).join(' + ');
  }

  /** Fills variables into a text; into a query (`prom`) as the Prometheus data source would. */
  fill(text, { prom = false, scoped = {} } = {}) {
    if (typeof text !== 'string' || !/[$[]/.test(text)) return text;
    return text.replace(/\$(\w+)|\$\{(\w+)(?:\.([^:}]+))?(?::(\w+))?[^}]*\}|\[\[(\w+)(?::(\w+))?\]\]/g, (all, a, b, path, fb, c, fc) => {
      const name = a ?? b ?? c, format = fb ?? fc;
      const own = { ...this.scoped, ...scoped };
      if (own.__dataContext && /^__(field|series)$/.test(name)) return fieldText(own.__dataContext.value, name, path ?? 'name') ?? all;
      if (name in own) return typeof own[name] === 'object' ? own[name].text ?? own[name].value : own[name];
      const variable = this.list.find((v) => v.name === name);
      return variable ? this.format(variable, format ?? (prom ? 'prom' : 'text')) : all;
    });
  }

  format(variable, format) {
    if (format === 'text') return this.text(variable);
    if (variable.all && variable.allValue) return variable.allValue;
    const values = this.values(variable);
    const alternatives = (list) => (list.length === 1 ? list[0] : `(${list.join('|')})`);
    switch (format) {
      case 'prom': return variable.multi || variable.includeAll ? alternatives(values.map(escapeRegex)) : escapeString(values[0] ?? '');
      case 'regex': return alternatives(values.map((v) => v.replace(/[\\^$*+?.()|[\]{}\/]/g, '\\$&')));
      case 'pipe': return values.join('|');
      case 'json': return JSON.stringify(values);
      case 'queryparam': return values.map((v) => `var-${variable.name}=${encodeURIComponent(v)}`).join('&');
      case 'percentencode': return encodeURIComponent(values.join(','));
      case 'singlequote': return values.map((v) => `'${v}'`).join(',');
      case 'doublequote': return values.map((v) => `"${v}"`).join(',');
      case 'glob': return values.length > 1 ? `{${values.join(',')}}` : values[0];
      default: return values.join(',');
    }
  }
}

function fieldText({ frame, field }, name, path) {
  if (name === '__series') return frame.name;
  if (path === 'labels') return Object.entries(field.labels ?? {}).map(([k, v]) => `${k}="${v}"`).join(', ');
  const label = /^labels(?:\.|\[")(.+?)(?:"\])?$/.exec(path);
  if (label) return field.labels?.[label[1]] ?? '';
  return path === 'displayName' ? field.config.displayName ?? field.config.displayNameFromDS ?? field.name : field.name;
}

// --- Queries

function metricName({ __name__ = '', ...labels }) {
  const list = Object.entries(labels).sort().map(([k, v]) => `${k}="${v}"`);
  return list.length || !__name__ ? `${__name__}{${list.join(', ')}}` : __name__;
}
function legend(format, metric, expr) {
  if (format === '__auto') return Object.keys(metric).length ? undefined : expr;
  return format ? format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => metric[label] ?? '') : Object.keys(metric).length ? metricName(metric) : expr;
}
const number = (text) => (text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : parseFloat(text));

/** Data frames of all queries of a panel. */
export async function query(panel, variables, { width, scrapeInterval, notes }) {
  const targets = (panel.targets ?? []).filter((t) => !t.hide && t.expr);
  const frames = await Promise.all(targets.map((target) => run(target, panel, variables, width, scrapeInterval, notes)));
  const tables = targets.filter((t) => t.format === 'table').length;
  return frames.flatMap((list, i) => {
    if (targets[i].format === 'table') return list.length ? [table(list, targets[i].refId, tables)] : [];
    if (targets[i].format === 'heatmap' && list.length) return [heatmap(list, targets[i].refId)];
    return list;
  });
}

async function run(target, panel, variables, width, scrapeInterval, notes) {
  const { from, to } = variables.range;
  const minimum = rangeUtil.intervalToMs(variables.fill(target.interval || panel.interval || scrapeInterval));
  const { intervalMs } = rangeUtil.calculateInterval({ from, to }, panel.maxDataPoints ?? width, `${minimum}ms`);
  const step = Math.max(intervalMs, Math.ceil((to - from) / 11000 / 1000) * 1000) * (target.intervalFactor ?? 1);
  const rate = Math.max(step + minimum, 4 * minimum);
  const seconds = Math.round((to - from) / 1000);
  const scoped = { __interval: `${step / 1000}s`, __interval_ms: `${step}`, __rate_interval: `${rate / 1000}s`, __rate_interval_ms: `${rate}`,
    __range: `${seconds}s`, __range_s: `${seconds}`, __range_ms: `${to - from}` };
  for (const key of Object.keys(scoped)) if (key.endsWith('interval') || key === '__range') scoped[key] = scoped[key].replace(/^([\d.]*\.\d+)s$/, (_, n) => `${Math.round(n * 1000)}ms`);
  const expr = variables.fill(target.expr, { prom: true, scoped });
  const answers = [];
  const ranged = target.range || !target.instant;
  if (ranged) {
    const align = (ms) => (Math.floor(ms / step) * step) / 1000;
    answers.push(await api('query_range', { query: expr, start: align(from), end: align(to), step: step / 1000 }));
  }
  if (target.instant) answers.push(await api('query', { query: expr, time: to / 1000 }));
  const metrics = answers.flatMap((answer) => (Array.isArray(answer.result) ? answer.result.map((r) => r.metric ?? {}) : []));
  if (metrics.length && target.format !== 'table') for (const [, label] of (target.legendFormat ?? '').matchAll(/\{\{\s*(.+?)\s*\}\}/g))
    if (!metrics.some((m) => label in m)) notes.push(`legend of ${target.refId}: no series has a label "${label}"`);
  return answers.flatMap((answer, i) => {
    const result = answer.resultType === 'scalar' ? [{ metric: {}, value: answer.result }] : answer.result;
    return result.map(({ metric, values, value, histograms, histogram }) => {
      if (histograms || histogram) throw new Error('native histograms are not supported here');
      const points = values ?? [value];
      return toDataFrame({
        refId: target.refId, name: legend(variables.fill(target.legendFormat), metric, expr),
        meta: { preferredVisualisationType: 'graph', type: 'timeseries-multi', executedQueryString: expr },
        fields: [
          { name: 'Time', type: FieldType.time, values: points.map((p) => p[0] * 1000), config: ranged && !i ? { interval: step } : {} },
          { name: 'Value', type: FieldType.number, values: points.map((p) => number(p[1])), labels: metric,
            config: { displayNameFromDS: target.format === 'table' ? undefined : legend(variables.fill(target.legendFormat), metric, expr) } },
        ],
      });
    });
  });
}

/** Series to one table: Time, a column per label, Value (Value #A where several queries give tables). */
function table(series, refId, tables) {
  const names = [...new Set(series.flatMap((f) => Object.keys(f.fields[1].labels)))].sort();
  const rows = series.flatMap((f) => f.fields[0].values.map((time, i) => [time, f.fields[1].labels, f.fields[1].values[i]]));
  return toDataFrame({ refId, meta: { preferredVisualisationType: 'rawPrometheus' }, fields: [
    { name: 'Time', type: FieldType.time, values: rows.map((r) => r[0]), config: {} },
    ...names.map((name) => ({ name, type: FieldType.string, values: rows.map((r) => r[1][name] ?? ''), config: { filterable: true } })),
    { name: tables > 1 ? `Value #${refId}` : 'Value', type: FieldType.number, values: rows.map((r) => r[2]), config: {} },
  ] });
}

/** Cumulative "le" series to one frame of buckets over time. */
function heatmap(series, refId) {
  const bound = (f) => number(f.fields[1].labels.le ?? 'NaN');
  const sorted = [...series].sort((a, b) => bound(a) - bound(b));
  const times = [...new Set(sorted.flatMap((f) => f.fields[0].values))].sort((a, b) => a - b);
  const columns = sorted.map((f) => { const at = new Map(f.fields[0].values.map((t, i) => [t, f.fields[1].values[i]])); return times.map((t) => at.get(t) ?? null); });
  return toDataFrame({ refId, meta: { type: 'heatmap-rows' }, fields: [
    { name: 'Time', type: FieldType.time, values: times, config: sorted[0].fields[0].config },
    ...sorted.map((f, i) => ({ name: f.fields[1].labels.le ?? f.name, type: FieldType.number, labels: f.fields[1].labels, config: {},
      values: columns[i].map((v, j) => (v == null ? null : Math.max(0, v - (i ? columns[i - 1][j] ?? 0 : 0)))) })),
  ] });
}
