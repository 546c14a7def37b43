// The page that render.mjs shows in Chromium: one dashboard on Grafana's grid, with Grafana's own components.
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import '@fontsource/roboto-mono/400.css';
import { Component, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { firstValueFrom } from 'rxjs';
import { FieldConfigOptionsRegistry, ThemeContext, applyFieldOverrides, cacheFieldDisplayNames, createTheme, dateMath, dateTimeFormat, fieldMatchers,
  getFieldDisplayName, rangeUtil,
  standardTransformers, standardTransformersRegistry, transformDataFrame } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, Icon, PanelChrome } from '@grafana/ui';
import { Variables, query } from './prometheus.js';
import { defaults, panels as components } from './panels.jsx';

const theme = createTheme({ colors: { mode: new URLSearchParams(location.search).get('theme') ?? 'dark' } });
standardTransformersRegistry.setInit(() => Object.values(standardTransformers)
  .filter((t, i, all) => all.findIndex((o) => o.id === t.id) === i)
  .map((t) => ({ id: t.id, name: t.name, transformation: () => Promise.resolve(t) })));

// --- One panel: query, transform, apply field configuration, draw

const standard = ['unit', 'min', 'max', 'fieldMinMax', 'decimals', 'displayName', 'noValue', 'thresholds', 'mappings', 'links', 'actions', 'color', 'filterable', 'description'];

/** Registers every option that the panel sets, so that applyFieldOverrides copies it. */
function registry({ defaults, overrides }) {
  const ids = new Set([...standard, ...Object.keys(defaults.custom ?? {}).map((k) => `custom.${k}`), ...overrides.flatMap((o) => o.properties.map((p) => p.id))]);
  return new FieldConfigOptionsRegistry(() => [...ids].map((id) => {
    const isCustom = id.startsWith('custom.');
    return { id, name: id, isCustom, path: isCustom ? id.slice(7) : id, shouldApply: () => true,
      process: (value, { field, replaceVariables }) => (id === 'displayName' ? replaceVariables(value, field.state.scopedVars) : structuredClone(value)) };
  }));
}

const merged = (base, over) => {
  if (over === undefined) return base;
  if (!base || !over || typeof base !== 'object' || typeof over !== 'object' || Array.isArray(over)) return over;
  return Object.fromEntries([...new Set([...Object.keys(base), ...Object.keys(over)])].map((k) => [k, merged(base[k], over[k])]));
};

async function load(panel, variables, context, width) {
  const own = defaults[panel.type] ?? {};
  const fieldConfig = { defaults: merged(own.field ?? {}, panel.fieldConfig?.defaults ?? {}), overrides: panel.fieldConfig?.overrides ?? [] };
  for (const t of panel.transformations ?? []) if (!t.disabled && !standardTransformersRegistry.getIfExists(t.id)) throw new Error(`transformation "${t.id}" is not in @grafana/data`);
  const replace = (text, scoped) => variables.fill(text, { scoped: scoped ?? {} });
  const notes = [];
  let frames = panel.type === 'text' ? [] : await query(panel, variables, { ...context, width, notes });
  const names = () => new Set(frames.flatMap((f) => f.fields.flatMap((x) => [x.name, getFieldDisplayName(x, f, frames)])));
  const missing = (what, list) => { const known = names(); if (frames.length) for (const name of list) if (!known.has(name)) notes.push(`${what} "${name}": no such field`); };
  for (const t of panel.transformations ?? []) {
    if (t.id === 'organize' && !t.disabled) missing('organize', new Set([...Object.keys(t.options.renameByName ?? {}), ...Object.keys(t.options.indexByName ?? {})]));
    frames = await firstValueFrom(transformDataFrame([structuredClone(t)], frames, { interpolate: replace }));
  }
  const data = applyFieldOverrides({ data: frames, fieldConfig, fieldConfigRegistry: registry(fieldConfig), replaceVariables: replace, theme, timeZone: context.timeZone });
  cacheFieldDisplayNames(data);
  for (const { matcher } of fieldConfig.overrides) {
    const match = fieldMatchers.get(matcher.id).get(matcher.options);
    if (frames.length && !frames.some((f) => f.fields.some((x) => match(x, f, frames)))) notes.push(`override ${matcher.id} ${JSON.stringify(matcher.options)} matches nothing`);
  }
  frames = data;
  missing('sortBy', (panel.options?.sortBy ?? []).map((x) => x.displayName));
  missing('xField', [panel.options?.xField ?? []].flat());
  return { notes, data, fieldConfig, options: merged(own.options ?? {}, panel.options ?? {}), replace };
}

class Guard extends Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  componentDidCatch(error) { this.props.onError(error); }
  render() { return this.state.error ? null : this.props.children; }
}

function Panel({ panel, box, variables, context, report, index }) {
  const [state, setState] = useState({});
  const fail = (error) => { report.error = error.message; setState({ error: error.message }); };
  useEffect(() => {
    load(panel, variables, context, box.width).then((loaded) => {
      report.notes = loaded.notes;
      report.rows = loaded.data.reduce((n, f) => n + f.length, 0);
      report.noData = panel.type !== 'text' && !report.rows;
      setState(loaded);
    }).catch(fail).finally(() => { report.done = true; });
  }, []);
  const Body = components[panel.type];
  const body = (width, height) => {
    if (state.error) return <div style={{ color: theme.colors.error.text, padding: 8, font: '12px monospace' }}>{state.error}</div>;
    if (!state.data) return null;
    if (!Body) return <Message text={`panel type "${panel.type}" is not drawn here`} />;
    if (report.noData && !['stat', 'gauge', 'bargauge'].includes(panel.type)) return <Message text={state.fieldConfig.defaults.noValue || 'No data'} />;
    return <Guard onError={fail}><Body {...state} panel={panel} width={width} height={height} theme={theme} timeRange={context.timeRange} timeZone={context.timeZone} /></Guard>;
  };
  return (
    <div data-panel={index} style={{ position: 'absolute', ...box }}>
      <PanelChrome width={box.width} height={box.height} title={variables.fill(panel.title ?? '')} description={variables.fill(panel.description)}
        displayMode={panel.transparent ? 'transparent' : 'default'} padding={panel.type === 'stat' ? 'none' : 'md'} statusMessage={state.error}>{body}</PanelChrome>
    </div>
  );
}
const Message = ({ text }) => <div style={{ height: '100%', display: 'flex', alignItems: 'center', justifyContent: 'center', color: theme.colors.text.secondary, fontSize: 18 }}>{text}</div>;

// --- The grid: 24 columns, rows of 30 pixels, 8 between; rows collapsed or not; repeats

function place(dashboard, variables, expand) {
  const out = [];
  let shift = 0;
  const repeated = (item) => {
    const variable = item.repeat && variables.list.find((v) => v.name === item.repeat);
    if (!variable) return [[item, variables]];
    return variables.values(variable).map((value) => [item, variables.with({ [item.repeat]: value })]);
  };
  const add = (item, vars) => {
    const copies = item.type === 'row' ? [[item, vars]] : repeated(item).map(([p, v]) => [p, v === variables ? vars : vars.with(v.scoped)]);
    const { x, y, w, h } = item.gridPos;
    if (copies.length < 2 && !item.repeat) { out.push({ panel: item, variables: vars, x, y: y + shift, w, h }); return; }
    const across = item.repeatDirection === 'v' ? 1 : Math.max(1, Math.min(item.maxPerRow ?? 4, copies.length));
    const each = item.repeatDirection === 'v' ? w : 24 / across;
    copies.forEach(([panel, v], i) => out.push({ panel, variables: v, x: item.repeatDirection === 'v' ? x : (i % across) * each, y: y + shift + Math.floor(i / across) * h, w: each, h }));
    shift += (Math.max(1, Math.ceil(copies.length / across)) - 1) * h;
  };
  const sorted = [...dashboard.panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
  for (let i = 0; i < sorted.length; i++) {
    const item = sorted[i];
    if (item.type !== 'row') { add(item, variables); continue; }
    const open = !item.collapsed, inside = [];
    if (open) while (sorted[i + 1] && sorted[i + 1].type !== 'row') inside.push(sorted[++i]);
    const hidden = item.panels ?? [], top = Math.min(...hidden.map((p) => p.gridPos.y)) - item.gridPos.y - 1;
    const content = open ? inside : hidden.map((p) => ({ ...p, gridPos: { ...p.gridPos, y: p.gridPos.y - top } }));
    const height = Math.max(0, ...content.map((p) => p.gridPos.y + p.gridPos.h)) - item.gridPos.y - 1;
    repeated(item).forEach(([row, vars], copy) => {
      if (copy) shift += 1 + (open || expand ? height : 0);
      add({ ...row, collapsed: !(open || expand) }, vars);
      if (open || expand) content.forEach((p) => add(p, vars));
    });
    if (!open && expand && content.length) shift += height;
  }
  return out;
}

const Row = ({ panel, variables, box }) => (
  <div style={{ position: 'absolute', ...box, display: 'flex', alignItems: 'center', gap: 4, fontSize: 18, fontWeight: 500 }}>
    <Icon name={panel.collapsed ? 'angle-right' : 'angle-down'} />{variables.fill(panel.title ?? '')}
    {panel.collapsed && <span style={{ color: theme.colors.text.secondary, fontSize: 12, marginLeft: 8 }}>({panel.panels?.length ?? 0} panels)</span>}
  </div>
);

function Header({ dashboard, variables, context }) {
  const box = { border: `1px solid ${theme.components.input.borderColor}`, background: theme.components.input.background, padding: '0 8px', lineHeight: '30px', borderRadius: 2 };
  const time = (t) => dateTimeFormat(t, { timeZone: context.timeZone });
  return (
    <div style={{ display: 'flex', flexWrap: 'wrap', gap: 8, alignItems: 'center', padding: 16, font: '14px Inter' }}>
      <b style={{ fontSize: 16, marginRight: 16 }}>{dashboard.title}</b>
      {variables.list.filter((v) => v.hide !== 2).map((v) => (
        <span key={v.name} style={{ display: 'flex' }}>
          {v.hide !== 1 && <span style={{ ...box, background: theme.colors.background.secondary, fontSize: 12, fontWeight: 500 }}>{v.label || v.name}</span>}
          <span style={box}>{variables.text(v)}</span>
        </span>))}
      {(dashboard.links ?? []).map((l, i) => <span key={i} style={box}>{l.title}</span>)}
      <span style={{ ...box, marginLeft: 'auto' }}>{rangeUtil.describeTimeRange(context.timeRange.raw)}: {time(context.timeRange.from)} to {time(context.timeRange.to)}</span>
    </div>
  );
}

async function main() {
  const { dashboard, chosen, width, from, to, expand, scrapeInterval, now } = await (await fetch('/input.json')).json();
  await initPluginTranslations('grafana-check').catch(() => {});
  await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 14px Inter`))); // text is measured before it is drawn
  const timeZone = dashboard.timezone || 'browser';
  const raw = { from: from ?? dashboard.time?.from ?? 'now-6h', to: to ?? dashboard.time?.to ?? 'now' };
  const rangeOf = (r) => ({ from: dateMath.toDateTime(r.from, { roundUp: false, timezone: timeZone }), to: dateMath.toDateTime(r.to, { roundUp: true, timezone: timeZone }), raw: r });
  const timeRange = rangeOf(raw);
  const millis = (r) => ({ from: r.from.valueOf(), to: r.to.valueOf() });
  const variables = await new Variables(millis(timeRange), { __dashboard: dashboard.title, __from: `${timeRange.from.valueOf()}`, __to: `${timeRange.to.valueOf()}` })
    .load(dashboard.templating?.list ?? [], chosen);
  const context = { timeRange, timeZone, scrapeInterval };
  const placed = place(dashboard, variables, expand);
  const column = (width - 32 + 8) / 24;
  const boxOf = ({ x, y, w, h }) => ({ left: x * column, top: y * 38, width: w * column - 8, height: h * 38 - 8 });
  const reports = placed.map(({ panel, variables: v }) => ({ id: panel.id, type: panel.type, title: v.fill(panel.title ?? ''), done: panel.type === 'row' }));
  const height = Math.max(0, ...placed.map((p) => p.y + p.h)) * 38;
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ background: theme.colors.background.canvas, minHeight: '100vh', width }}>
        <Header {...{ dashboard, variables, context }} />
        <div style={{ position: 'relative', margin: '0 16px', height }}>
          {placed.map((p, i) => {
            const props = { index: i, panel: p.panel, variables: p.variables, box: boxOf(p), report: reports[i] };
            if (p.panel.type === 'row') return <Row {...props} key={i} />;
            const shifted = p.panel.timeFrom ? rangeOf({ from: `now-${p.panel.timeFrom}`, to: 'now' }) : timeRange;
            if (p.panel.timeFrom) props.variables = Object.assign(p.variables.with({}), { range: millis(shifted) });
            return <Panel {...props} key={i} context={{ ...context, timeRange: shifted }} />;
          })}
        </div>
      </div>
    </ThemeContext.Provider>);
  while (!reports.every((r) => r.done)) await new Promise((r) => setTimeout(r, 50));
  await document.fonts.ready;
  window.settled = { height: height + document.querySelector('#root > div > div').offsetHeight + 16 };
  // What a reader would not see: text that ends in an ellipsis, and content that has to be scrolled.
  window.finish = () => {
    document.querySelectorAll('[data-panel]').forEach((root) => {
      const report = reports[root.dataset.panel], all = [...root.querySelectorAll('*')];
      const cut = all.filter((e) => e.textContent && e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).textOverflow === 'ellipsis');
      report.cut = [...new Set(cut.filter((e) => !cut.some((c) => c !== e && e.contains(c))).map((e) => e.textContent))];
      const part = report.type === 'table' || report.type === 'text' ? 'content' : 'legend';
      const beyond = (e, axis, size) => /auto|scroll/.test(getComputedStyle(e)[`overflow${axis}`]) && e[`client${size}`] > 1 && e[`scroll${size}`] > e[`client${size}`] + 1;
      report.scrolls = [...new Set(all.flatMap((e) => [
        beyond(e, 'Y', 'Height') && `down (${part}: ${e.clientHeight} of ${e.scrollHeight} px are seen)`,
        beyond(e, 'X', 'Width') && `sideways (${part}: ${e.clientWidth} of ${e.scrollWidth} px are seen)`]).filter(Boolean))];
    });
    return reports.filter((r) => r.type !== 'row');
  };
}
main().catch((error) => { document.body.append(String(error.stack)); window.settled = { height: 400, error: String(error.stack) }; window.finish = () => []; });
