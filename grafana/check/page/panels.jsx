// One component per panel type. Stat, gauge bars, table and time series are Grafana's own components, wired up as its
// panels do; the rest, which no package has, is drawn here after their documentation and is near rather than exact.
import * as schemes from 'd3-scale-chromatic';
import uPlot from 'uplot';
import { FieldColorModeId, FieldType, VizOrientation, buildHistogram, dateTimeFormat, fieldReducers, formattedValueToString, getDisplayProcessor,
  getDisplayValueAlignmentFactors, getFieldColorModeForField, getFieldDisplayName, getFieldDisplayValues, getFieldSeriesColor, getHistogramFields,
  reduceField, renderTextPanelMarkdown, textUtil } from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleDistribution, ScaleOrientation, StackingMode } from '@grafana/schema';
import { BarGauge, BigValue, TimeSeries, UPlotChart, UPlotConfigBuilder, VizLayout, VizLegend, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

const legend = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] };
const reduce = { calcs: ['lastNotNull'], fields: '', values: false };
const thresholds = { mode: 'absolute', steps: [{ color: 'green', value: null }, { color: 'red', value: 80 }] };
const byThreshold = { thresholds, color: { mode: 'thresholds' } };
const palette = { thresholds, color: { mode: 'palette-classic' } };
const single = { reduceOptions: reduce, orientation: 'auto', text: {} };
const bars = { lineWidth: 1, fillOpacity: 80, gradientMode: 'none' };

/** What each panel type takes where the dashboard says nothing. */
export const defaults = {
  stat: { options: { ...single, colorMode: 'value', graphMode: 'area', justifyMode: 'auto', textMode: 'auto', wideLayout: true, showPercentChange: false, percentChangeColorMode: 'standard' }, field: byThreshold },
  bargauge: { options: { ...single, displayMode: 'gradient', valueMode: 'color', namePlacement: 'auto', showUnfilled: true, sizing: 'auto', minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300, legend: { ...legend, showLegend: false } }, field: byThreshold },
  table: { options: { frameIndex: 0, showHeader: true, cellHeight: 'sm', sortBy: [] }, field: { ...byThreshold, custom: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false } } },
  timeseries: { options: { legend, tooltip: { mode: 'single', sort: 'none' } }, field: { ...palette, custom: { drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none', showPoints: 'auto', pointSize: 5, spanNulls: false, insertNulls: false, barAlignment: 0, stacking: { mode: 'none', group: 'A' }, axisPlacement: 'auto', axisLabel: '', axisColorMode: 'text', scaleDistribution: { type: 'linear' }, thresholdsStyle: { mode: 'off' }, hideFrom: { viz: false, legend: false, tooltip: false } } } },
  barchart: { options: { orientation: 'auto', xTickLabelRotation: 0, xTickLabelSpacing: 0, showValue: 'auto', stacking: 'none', groupWidth: 0.7, barWidth: 0.97, barRadius: 0, legend }, field: { ...palette, custom: bars } },
  histogram: { options: { bucketCount: 30, bucketOffset: 0, legend }, field: { ...palette, custom: bars } },
  piechart: { options: { reduceOptions: reduce, pieType: 'pie', displayLabels: [], sort: 'desc', legend: { ...legend, values: [] } }, field: palette },
  'state-timeline': { options: { mergeValues: true, rowHeight: 0.9, showValue: 'auto', alignValue: 'left', legend }, field: { thresholds, color: { mode: 'continuous-GrYlRd' }, custom: { fillOpacity: 70, lineWidth: 0 } } },
  heatmap: { options: { calculate: false, cellGap: 1, color: { mode: 'scheme', scheme: 'Oranges', steps: 64, exponent: 0.5, fill: 'dark-orange', reverse: false }, yAxis: { axisPlacement: 'left' }, legend: { show: true }, filterValues: { le: 1e-9 } }, field: {} },
  text: { options: { mode: 'markdown', content: '' } },
};

// --- Values: stat, bar gauge, pie

const values = ({ data, fieldConfig, options, replace, theme, timeZone }, more = {}) =>
  getFieldDisplayValues({ data, fieldConfig, reduceOptions: options.reduceOptions, replaceVariables: replace, theme, timeZone, ...more });
const orientation = (o) => (o === 'vertical' ? VizOrientation.Vertical : o === 'horizontal' ? VizOrientation.Horizontal : VizOrientation.Auto);

function Stat(props) {
  const { options: o, width, height, theme } = props;
  return <VizRepeater width={width} height={height} source={props.data} renderCounter={0} autoGrid orientation={orientation(o.orientation)}
    getValues={() => values(props, { sparkline: o.graphMode !== 'none', percentChange: o.showPercentChange })}
    getAlignmentFactors={getDisplayValueAlignmentFactors}
    renderValue={({ value, width, height, alignmentFactors, count }) => (
      <BigValue value={value.display} sparkline={value.sparkline} {...{ width, height, alignmentFactors, count, theme }} colorMode={o.colorMode} graphMode={o.graphMode}
        justifyMode={o.justifyMode} textMode={o.textMode} text={o.text} disableWideLayout={!o.wideLayout} percentChangeColorMode={o.percentChangeColorMode} />)} />;
}

function Gauges(props) {
  const { options: o, width, height, theme } = props;
  const manual = o.sizing === 'manual';
  return <VizRepeater width={width} height={height} source={props.data} renderCounter={0} itemSpacing={o.displayMode === 'lcd' ? 2 : 10} orientation={orientation(o.orientation)}
    minVizWidth={manual ? o.minVizWidth : 8} minVizHeight={manual ? o.minVizHeight : 16} maxVizHeight={manual ? o.maxVizHeight : 300}
    getValues={() => values(props)} getAlignmentFactors={getDisplayValueAlignmentFactors}
    renderValue={({ value, width, height, alignmentFactors, orientation, count }) => (
      <BarGauge value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex)} text={o.text}
        {...{ width, height, alignmentFactors, orientation, theme }} itemSpacing={o.displayMode === 'lcd' ? 2 : 10} lcdCellWidth={8} displayMode={o.displayMode}
        showUnfilled={o.showUnfilled} valueDisplayMode={o.valueMode} namePlacement={o.namePlacement} />)} />;
}

function Legend({ options: o, items, children, ...size }) {
  const node = o?.showLegend && o.displayMode !== 'hidden' && items.length
    ? <VizLayout.Legend placement={o.placement} width={o.width}><VizLegend placement={o.placement} items={items} displayMode={o.displayMode} sortBy={o.sortBy} sortDesc={o.sortDesc} isSortable readonly /></VizLayout.Legend> : null;
  return <VizLayout {...size} legend={node}>{children}</VizLayout>;
}
/** Legend values of a field, as Grafana titles them. */
const calcs = (field, ids, theme) => () => ids.map((id) => {
  const { name, preservesUnits } = fieldReducers.get(id);
  const value = reduceField({ field, reducers: [id] })[id];
  const display = preservesUnits === false ? getDisplayProcessor({ field: { ...field, config: { ...field.config, unit: 'none' } }, theme }) : field.display;
  return { ...display(value), title: name };
});
const shown = (field, where = 'viz') => !field.config.custom?.hideFrom?.[where];

function Pie(props) {
  const { options: o, width, height, theme } = props;
  const slices = values(props).filter((v) => v.display.numeric > 0 && !v.field.custom?.hideFrom?.viz)
    .sort((a, b) => (o.sort === 'none' ? 0 : (o.sort === 'asc' ? 1 : -1) * (a.display.numeric - b.display.numeric)));
  const total = slices.reduce((n, s) => n + s.display.numeric, 0);
  const percent = (s) => ({ numeric: s.display.numeric / total, text: `${((100 * s.display.numeric) / total).toFixed(s.field.decimals ?? 0)}%`, title: 'Percent' });
  const items = slices.filter((s) => !s.field.custom?.hideFrom?.legend).map((s) => ({ label: s.display.title, color: s.display.color, yAxis: 1,
    getDisplayValues: () => [...(o.legend.values ?? [])].sort().reverse().map((v) => (v === 'percent' ? percent(s) : { ...s.display, title: 'Value' })) }));
  let angle = 0;
  return (
    <Legend options={o.legend} items={items} width={width} height={height}>{(w, h) => {
      const r = Math.min(w, h) / 2 - 4, inner = o.pieType === 'donut' ? r * 0.65 : 0;
      const at = (a, d) => [Math.sin(a) * d, -Math.cos(a) * d].map((n) => n.toFixed(2)).join(' ');
      return (
        <svg width={w} height={h} viewBox={`${-w / 2} ${-h / 2} ${w} ${h}`}>{slices.map((s, i) => {
          const a = angle, b = (angle += (2 * Math.PI * s.display.numeric) / total), end = Math.min(b, a + 2 * Math.PI - 1e-4), big = b - a > Math.PI ? 1 : 0;
          const lines = [o.displayLabels.includes('name') && s.display.title, o.displayLabels.includes('value') && formattedValueToString(s.display), o.displayLabels.includes('percent') && percent(s).text].filter(Boolean);
          const [x, y] = at((a + b) / 2, (r + inner) / 2 + (inner ? 0 : r * 0.2)).split(' ').map(Number);
          return (
            <g key={i}>
              <path fill={s.display.color} stroke={theme.colors.background.primary} d={`M${at(a, r)} A${r} ${r} 0 ${big} 1 ${at(end, r)} L${at(end, inner)} A${inner} ${inner} 0 ${big} 0 ${at(a, inner)} Z`} />
              {b - a > 0.3 && lines.map((l, j) => <text key={j} x={x} y={y + 13 * (j - (lines.length - 1) / 2)} fill={theme.colors.getContrastText(s.display.color)} fontSize={12} textAnchor="middle" dominantBaseline="central">{l}</text>)}
            </g>);
        })}</svg>);
    }}</Legend>);
}

// --- Table and time series

function Table({ data, options: o, fieldConfig, width, height, timeRange }) {
  const frame = data[o.frameIndex] ?? data[0];
  if (o.footer?.show) for (const f of frame.fields) // where Grafana up to 12.1 had it
    if (f.type === FieldType.number && (!o.footer.fields?.length || o.footer.fields.includes(getFieldDisplayName(f, frame)))) f.config.custom = { ...f.config.custom, footer: { reducers: o.footer.reducer } };
  return (
    <div style={{ width, height, display: 'flex', flexDirection: 'column' }}>
      <TableNG data={frame} width={width} height={height - (data.length > 1 ? 40 : 0)} noHeader={!o.showHeader} sortBy={o.sortBy} cellHeight={o.cellHeight} maxRowHeight={o.maxRowHeight}
        enablePagination={o.enablePagination} pageSize={o.pageSize} frozenColumns={o.frozenColumns?.left} fieldConfig={fieldConfig} timeRange={timeRange} noValue={fieldConfig.defaults.noValue} structureRev={1} enableVirtualization />
      {data.length > 1 && <div style={{ padding: 8 }}>▾ {frame.name ?? frame.refId} (one of {data.length} frames; each but one is behind this menu)</div>}
    </div>);
}

/** Classic palette colours go by the number of the series, labels not counted. */
const enumerated = (fields, theme) => fields.map((f, seriesIndex) => {
  const field = { ...f, state: { ...f.state, seriesIndex } };
  return { ...field, display: getDisplayProcessor({ field, theme }) };
});
const finite = (field) => ({ ...field, values: field.values.map((v) => (typeof v === 'boolean' ? Number(v) : Number.isFinite(v) ? v : null)) });
function Series({ data, options, width, height, timeRange, timeZone }) {
  const frames = data.map((f) => ({ ...f, fields: f.fields.filter((x) => [FieldType.time, FieldType.number, FieldType.boolean].includes(x.type)).map((x) => (x.type === FieldType.time ? x : { ...finite(x), type: FieldType.number })) }))
    .filter((f) => f.fields.some((x) => x.type === FieldType.time) && f.fields.length > 1);
  if (!frames.length) return 'Data is missing a time field';
  return <TimeSeries frames={frames} structureRev={1} width={width} height={height} timeRange={timeRange} timeZone={options.timezone?.length ? options.timezone : timeZone} legend={options.legend} options={options} />;
}

// --- Bars over uPlot: bar chart and histogram

const alpha = (color, opacity, theme) => theme.visualization.getColorByName(color).replace(/^#(..)(..)(..)$/, (_, ...h) => `rgba(${h.slice(0, 3).map((x) => parseInt(x, 16)).join(',')},${opacity / 100})`);
const perValue = (field) => getFieldColorModeForField(field).isByValue;

function Bars({ data, options: o, width, height, theme }) {
  const frame = data.find((f) => f.fields.some((x) => x.type === FieldType.number));
  const x = frame?.fields.find((f) => getFieldDisplayName(f, frame, data) === o.xField || f.name === o.xField) ?? frame?.fields.find((f) => f.type === FieldType.string) ?? frame?.fields.find((f) => f.type === FieldType.time);
  if (!x || (data.length > 1 && x.type === FieldType.time)) return 'Bar charts require a string or time field';
  const fields = enumerated(frame.fields.filter((f) => f !== x && f.type === FieldType.number && shown(f)).map(finite), theme);
  const names = x.values.map((v) => { const s = formattedValueToString(x.display(v)); return o.xTickLabelMaxLength && s.length > o.xTickLabelMaxLength ? `${s.slice(0, o.xTickLabelMaxLength)}...` : s; });
  const n = names.length, stacked = o.stacking !== 'none';
  const sums = names.map((_, i) => fields.reduce((s, f) => s + (f.values[i] ?? 0), 0));
  const heights = fields.map((f) => f.values.map((v, i) => (v == null ? null : o.stacking === 'percent' ? v / (sums[i] || 1) : v)));
  const tops = heights.map((col, s) => col.map((v, i) => (v == null ? null : stacked ? heights.slice(0, s + 1).reduce((t, c) => t + (c[i] ?? 0), 0) : v)));
  const colorOf = (f, i) => (o.colorByField ? theme.visualization.getColorByName(frame.fields.find((c) => c.name === o.colorByField)?.display(frame.fields.find((c) => c.name === o.colorByField).values[i]).color ?? 'green') : perValue(f) ? f.display(f.values[i]).color : getFieldSeriesColor(f, theme).color);
  const flip = o.orientation === 'horizontal' || (o.orientation === 'auto' && width < height);
  const items = fields.filter((f) => shown(f, 'legend')).map((f) => ({ label: getFieldDisplayName(f, frame, data), color: getFieldSeriesColor(f, theme).color, yAxis: 1, getDisplayValues: calcs(f, o.legend.calcs ?? [], theme) }));
  return <Legend options={o.legend} items={items} width={width} height={height}>{(w, h) => {
    const builder = new UPlotConfigBuilder();
    const custom = fields[0].config.custom ?? {}, rotation = o.xTickLabelRotation;
    const longest = Math.max(...names.map((s) => s.length * 6.6));
    builder.addScale({ scaleKey: 'x', isTime: false, distribution: ScaleDistribution.Ordinal, orientation: flip ? ScaleOrientation.Vertical : ScaleOrientation.Horizontal, direction: flip ? ScaleDirection.Down : ScaleDirection.Right, range: () => [-0.5, n - 0.5] });
    builder.addAxis({ scaleKey: 'x', theme, placement: flip ? AxisPlacement.Left : AxisPlacement.Bottom, splits: () => names.map((_, i) => i), values: () => names, grid: { show: false }, ticks: { show: false }, filter: (u, s) => s,
      tickLabelRotation: flip ? 0 : -rotation, label: x.config.custom?.axisLabel, size: flip ? Math.min(longest + 16, w / 2) : rotation ? Math.min(Math.abs(Math.sin((rotation * Math.PI) / 180)) * longest + 24, h / 2) : undefined });
    builder.addScale({ scaleKey: 'y', orientation: flip ? ScaleOrientation.Horizontal : ScaleOrientation.Vertical, direction: flip ? ScaleDirection.Right : ScaleDirection.Up, min: fields[0].config.min, max: fields[0].config.max, softMin: custom.axisSoftMin ?? 0, softMax: custom.axisSoftMax,
      distribution: custom.scaleDistribution?.type, log: custom.scaleDistribution?.log });
    const percents = getDisplayProcessor({ field: { ...fields[0], config: { ...fields[0].config, unit: 'percentunit' } }, theme });
    builder.addAxis({ scaleKey: 'y', theme, placement: custom.axisPlacement === 'hidden' ? AxisPlacement.Hidden : flip ? AxisPlacement.Bottom : AxisPlacement.Left, label: custom.axisLabel, formatValue: (v, d) => formattedValueToString((o.stacking === 'percent' ? percents : fields[0].display)(v, d)) });
    const labels = [];
    const order = fields.map((_, s) => (stacked ? fields.length - 1 - s : s)); // higher stacks first, so that lower ones cover them
    for (const s of order) {
      const f = fields[s], slot = stacked ? 1 : fields.length, each = (o.groupWidth * (slot === 1 ? o.barWidth / o.groupWidth : 1)) / slot;
      builder.addSeries({ scaleKey: 'y', theme, lineWidth: f.config.custom?.lineWidth ?? 1, lineColor: getFieldSeriesColor(f, theme).color, show: true,
        pathBuilder: uPlot.paths.bars({ radius: o.barRadius, disp: {
          x0: { unit: 1, values: () => names.map((_, i) => i - (each * slot) / 2 + (stacked ? 0 : s) * each) }, size: { unit: 1, values: () => names.map(() => each * (slot > 1 ? o.barWidth : 1)) },
          fill: { unit: 3, values: () => names.map((_, i) => alpha(colorOf(f, i), f.config.custom?.fillOpacity ?? 80, theme)) }, stroke: { unit: 3, values: () => names.map((_, i) => colorOf(f, i)) } },
          each: (u, _, i, left, top, wid, hgt) => labels.push([f, i, left, top, wid, hgt]) }) });
    }
    builder.addHook('drawClear', () => { labels.length = 0; });
    if (o.showValue !== 'never') builder.addHook('draw', (u) => {
      const { ctx } = u, px = devicePixelRatio;
      ctx.save(); ctx.fillStyle = theme.colors.text.primary; ctx.font = `${(o.text?.valueSize ?? 12) * px}px Inter`;
      for (const [f, i, left, top, wid, hgt] of labels) {
        const text = formattedValueToString(f.display(f.values[i]));
        if (o.showValue === 'auto' && ctx.measureText(text).width > (flip ? u.bbox.width / 3 : wid * 1.3)) continue;
        ctx.textAlign = flip ? 'left' : 'center'; ctx.textBaseline = flip ? 'middle' : stacked ? 'middle' : 'bottom';
        if (flip) ctx.fillText(text, left + wid + 4, top + hgt / 2); else ctx.fillText(text, left + wid / 2, stacked ? top + hgt / 2 : top - 3);
      }
      ctx.restore();
    });
    return <UPlotChart width={w} height={h} config={builder} data={[names.map((_, i) => i), ...order.map((s) => tops[s])]} />;
  }}</Legend>;
}

function Histogram({ data, options: o, width, height, theme }) {
  const info = (data.length === 1 && getHistogramFields(data[0])) || buildHistogram(data.map((f) => ({ ...f, fields: f.fields.map((x) => (x.type === FieldType.number ? finite(x) : x)) })), o, theme);
  if (!info) return 'No numeric fields found to build a histogram';
  const lows = info.xMin.values, size = info.xMax.values[0] - lows[0], end = info.xMax.values.at(-1);
  const first = data.flatMap((f) => f.fields).find((f) => f.type === FieldType.number);
  const format = info.xMin.display ?? getDisplayProcessor({ field: { ...info.xMin, config: { ...info.xMin.config, unit: info.xMin.config.unit ?? first.config.unit } }, theme });
  const name = (f, i) => f.config.displayName ?? (o.combine ? 'Count' : f.state?.displayName ?? getFieldDisplayName(f, undefined, undefined) ?? `${i}`);
  const color = (f, i) => (info.counts.length === 1 && f.config.color?.mode === FieldColorModeId.Fixed ? theme.visualization.getColorByName(f.config.color.fixedColor) : theme.visualization.getColorByName(theme.visualization.palette[i % theme.visualization.palette.length]));
  return <Legend options={o.legend} width={width} height={height} items={info.counts.map((f, i) => ({ label: name(f, i), color: color(f, i), yAxis: 1 }))}>{(w, h) => {
    const builder = new UPlotConfigBuilder();
    builder.addScale({ scaleKey: 'x', isTime: false, orientation: ScaleOrientation.Horizontal, direction: ScaleDirection.Right, range: () => [lows[0], end] });
    builder.addAxis({ scaleKey: 'x', theme, placement: AxisPlacement.Bottom, formatValue: (v, d) => formattedValueToString(format(v, d)), grid: { show: true } });
    builder.addScale({ scaleKey: 'y', orientation: ScaleOrientation.Vertical, direction: ScaleDirection.Up, softMin: 0 });
    builder.addAxis({ scaleKey: 'y', theme, placement: AxisPlacement.Left, formatValue: (v) => `${v}`, decimals: 0 });
    info.counts.forEach((f, i) => builder.addSeries({ scaleKey: 'y', theme, lineWidth: f.config.custom?.lineWidth ?? 1, lineColor: color(f, i), show: true,
      pathBuilder: uPlot.paths.bars({ disp: { x0: { unit: 1, values: () => lows }, size: { unit: 1, values: () => lows.map(() => size) }, fill: { unit: 3, values: () => lows.map(() => alpha(color(f, i), f.config.custom?.fillOpacity ?? 80, theme)) }, stroke: { unit: 3, values: () => lows.map(() => color(f, i)) } } }) }));
    return <UPlotChart width={w} height={h} config={builder} data={[lows, ...info.counts.map((f) => f.values)]} />;
  }}</Legend>;
}

// --- Cells over time: state timeline and heatmap

function TimeAxis({ x, y, width, timeRange, timeZone, theme }) {
  const from = timeRange.from.valueOf(), span = timeRange.to.valueOf() - from;
  const steps = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800].map((s) => s * 1000);
  const step = steps.find((s) => (width * s) / span > 90) ?? steps.at(-1), format = step < 60e3 ? 'HH:mm:ss' : span < 86400e3 ? 'HH:mm' : step < 86400e3 ? 'MM/DD HH:mm' : 'MM/DD';
  const ticks = [];
  for (let t = Math.ceil(from / step) * step; t <= from + span; t += step) ticks.push(t);
  return ticks.map((t) => { const px = x + ((t - from) / span) * width; return <text key={t} x={px} y={y + 16} fontSize={12} fill={theme.colors.text.primary} textAnchor="middle">{dateTimeFormat(t, { format, timeZone })}</text>; });
}

function StateTimeline({ data, options: o, width, height, timeRange, timeZone, theme }) {
  const every = data.flatMap((frame) => { const time = frame.fields.find((f) => f.type === FieldType.time); return frame.fields.filter((f) => f !== time && shown(f)).map((field) => ({ frame, time, field })); });
  const perPage = o.perPage ?? 20, rows = every.slice(0, perPage), pages = Math.ceil(every.length / perPage);
  const from = timeRange.from.valueOf(), to = timeRange.to.valueOf(), seen = new Map();
  const segments = rows.map(({ time, field }) => {
    const out = [];
    time.values.forEach((t, i) => {
      const value = field.values[i], last = out.at(-1), display = value == null ? null : field.display(value);
      const gap = time.config.interval ? 1.5 * time.config.interval : Infinity;
      if (last && t - last.at > gap && last.end === undefined) last.end = last.at + time.config.interval;
      if (last && last.end === undefined && o.mergeValues && last.value === value) { last.at = t; return; }
      if (last && last.end === undefined) last.end = t;
      if (display) { out.push({ start: t, at: t, value, display }); seen.set(formattedValueToString(display), display.color); }
    });
    if (out.length && out.at(-1).end === undefined) out.at(-1).end = to;
    return out;
  });
  const timeline = <Legend options={o.legend} width={width} height={height - (pages > 1 ? 32 : 0)} items={[...seen].map(([label, color]) => ({ label, color, yAxis: 1 }))}>{(w, h) => {
    const labels = rows.map(({ field, frame }) => getFieldDisplayName(field, frame, data)), left = Math.min(Math.max(...labels.map((l) => l.length * 6.8)) + 12, w / 3);
    const each = (h - 24) / rows.length, px = (t) => left + ((Math.max(from, Math.min(to, t)) - from) / (to - from)) * (w - left - 8);
    return (
      <svg width={w} height={h} fontFamily="Inter">
        {rows.map((row, i) => <text key={i} x={left - 8} y={(i + 0.5) * each} fontSize={12} fill={theme.colors.text.primary} textAnchor="end" dominantBaseline="central">{labels[i]}</text>)}
        {rows.map((row, i) => segments[i].map((s, j) => {
          const x = px(s.start), wide = px(s.end) - x, text = formattedValueToString(s.display);
          const pos = { left: x + 4, center: x + wide / 2, right: x + wide - 4 }[o.alignValue] ?? x + 4;
          return (
            <g key={`${i}.${j}`}>
              <rect x={x} width={Math.max(0, wide)} y={(i + (1 - o.rowHeight) / 2) * each} height={each * o.rowHeight} fill={s.display.color} fillOpacity={(row.field.config.custom?.fillOpacity ?? 70) / 100} stroke={s.display.color} strokeWidth={row.field.config.custom?.lineWidth ?? 0} />
              {(o.showValue === 'always' || (o.showValue === 'auto' && text.length * 7 < wide && each > 14)) && <text x={pos} y={(i + 0.5) * each} fontSize={12} fill={theme.colors.text.primary} textAnchor={{ center: 'middle', right: 'end' }[o.alignValue] ?? 'start'} dominantBaseline="central">{text}</text>}
            </g>);
        }))}
        <TimeAxis x={left} y={h - 24} width={w - left - 8} {...{ timeRange, timeZone, theme }} />
      </svg>);
  }}</Legend>;
  return pages > 1 ? <>{timeline}<div style={{ textAlign: 'center' }}>page 1 of {pages}</div></> : timeline;
}

/** Ramps that Grafana turns round: the diverging ones always, those of one or two hues on a dark ground, the others on a light one. */
// Light stands for much on a dark page and dark for much on a light one, as in the ramps that the dashboards use.
const turned = (_, theme) => theme.isDark;
function Heatmap({ data, options: o, width, height, timeRange, timeZone, theme }) {
  if (o.calculate) return 'heatmaps calculated from data are not drawn here; only buckets as rows';
  const frame = data.length === 1 ? data[0] : { fields: [data[0].fields[0], ...data.flatMap((f) => f.fields.filter((x) => x.type === FieldType.number).map((x) => ({ ...x, name: getFieldDisplayName(x, f, data) })))] };
  const [time, ...rows] = frame.fields.filter((f) => f.type === FieldType.time || f.type === FieldType.number);
  const hidden = (v) => v == null || (o.filterValues?.le != null && v <= o.filterValues.le) || (o.filterValues?.ge != null && v >= o.filterValues.ge);
  const all = rows.flatMap((r) => r.values.filter((v) => !hidden(v))), min = o.color.min ?? Math.min(...all), max = o.color.max ?? Math.max(...all);
  const ramp = schemes[`interpolate${o.color.scheme}`] ?? schemes.interpolateOranges;
  const color = (v) => {
    const part = Math.round((max > min ? Math.max(0, Math.min(1, (v - min) / (max - min))) : 1) * (o.color.steps - 1)) / (o.color.steps - 1);
    if (o.color.mode === 'opacity') return alpha(o.color.fill, 100 * (o.color.scale === 'linear' ? part : part ** o.color.exponent), theme);
    return ramp(o.color.reverse || turned(o.color.scheme, theme) ? 1 - part : part);
  };
  const format = getDisplayProcessor({ field: { type: FieldType.number, config: { unit: o.yAxis.unit ?? 'short', decimals: o.yAxis.decimals } }, theme });
  const names = rows.map((r) => (Number.isFinite(Number(r.name)) ? formattedValueToString(format(Number(r.name))) : r.name)), left = Math.max(...names.map((l) => l.length * 6.8)) + 12;
  const from = timeRange.from.valueOf(), span = timeRange.to.valueOf() - from, w = width - left - 8, h = height - 24 - (o.legend.show ? 36 : 0), each = h / rows.length;
  const step = time.config.interval ?? time.values[1] - time.values[0];
  const labelEvery = Math.ceil(16 / each), gap = o.cellGap ?? 1;
  return (
    <svg width={width} height={height} fontFamily="Inter" fontSize={12}>
      {names.map((l, i) => i % labelEvery === 0 && <text key={i} x={left - 8} y={h - (i + 0.5) * each} fill={theme.colors.text.primary} textAnchor="end" dominantBaseline="central">{l}</text>)}
      {rows.map((r, i) => r.values.map((v, j) => {
        const x0 = Math.max(0, ((time.values[j] - step - from) / span) * w), x1 = Math.min(w, ((time.values[j] - from) / span) * w);
        return !hidden(v) && x1 > x0 && <rect key={`${i}.${j}`} x={left + x0} width={Math.max(0.5, x1 - x0 - gap)} y={h - (i + 1) * each} height={Math.max(0.5, each - gap)} fill={color(v)} />;
      }))}
      <TimeAxis x={left} y={h} width={w} {...{ timeRange, timeZone, theme }} />
      {o.legend.show && Array.from({ length: 64 }, (_, i) => <rect key={i} x={left + i * 3} y={height - 26} width={3} height={8} fill={color(min + ((max - min) * i) / 63)} />)}
      {o.legend.show && [min, max].map((v, i) => <text key={i} x={left + i * 192} y={height - 4} fill={theme.colors.text.secondary} textAnchor={i ? 'end' : 'start'}>{Number(v.toPrecision(3))}</text>)}
    </svg>);
}

// --- Text

function Text({ options: o, replace }) {
  const content = replace(o.content);
  if (o.mode === 'code') return <pre style={{ height: '100%', overflow: 'hidden' }}>{content}</pre>;
  return <div className="markdown-html" style={{ height: '100%', overflow: 'auto' }} dangerouslySetInnerHTML={{ __html: o.mode === 'html' ? textUtil.sanitizeTextPanelContent(content) : renderTextPanelMarkdown(content) }} />;
}

export const panels = { stat: Stat, bargauge: Gauges, piechart: Pie, table: Table, timeseries: Series, barchart: Bars, histogram: Histogram, 'state-timeline': StateTimeline, heatmap: Heatmap, text: Text };
