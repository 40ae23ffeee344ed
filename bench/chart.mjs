// The charts of docs/benchmarks.md as SVG: ratios with their intervals, and plain bars.

const WIDTH = 860;
const ROW = 30;
const LEFT = 420;
const RIGHT = 80;
const HEAD = 36;
const LEAST = 0.3;

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function page(title, height, body) {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#0f172a">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="20" font-size="14" font-weight="700">${escape(title)}</text>
${body}
</svg>
`;
}

const label = (text, y) =>
  `<text x="${LEFT - 10}" y="${y + 13}" text-anchor="end">${escape(text)}</text>`;

/**
 * Ours divided by each rival's: a bar, the interval as a whisker, the target as a tick; log scale.
 * @param rows as compare() gives them, with what, rival, target
 */
export function ratioChart(title, rows) {
  const top = Math.max(1.2, ...rows.map((row) => Math.max(row.high, row.target ?? 0)));
  const span = WIDTH - LEFT - RIGHT;
  const x = (value) =>
    LEFT + (Math.log10(Math.max(value, LEAST) / LEAST) / Math.log10(top / LEAST)) * span;
  const height = rows.length * ROW + 60;
  const bars = rows.map((row, index) => {
    const y = HEAD + index * ROW;
    const met = row.target === undefined || row.high >= row.target;
    const mark = row.target === undefined ? undefined : x(row.target);
    const tick =
      mark === undefined
        ? ''
        : `<line x1="${mark}" x2="${mark}" y1="${y - 3}" y2="${y + 21}" stroke="#c2410c" stroke-width="2"/>`;
    return `${label(`${row.what} / ${row.rival}`, y)}
<rect x="${LEFT}" y="${y}" width="${Math.max(1, x(row.ratio) - LEFT)}" height="18" rx="3" fill="${met ? '#2563eb' : '#94a3b8'}"/>
<line x1="${x(row.low)}" x2="${x(row.high)}" y1="${y + 9}" y2="${y + 9}" stroke="#0f172a" stroke-width="2"/>${tick}
<text x="${x(Math.max(row.high, row.target ?? 0)) + 6}" y="${y + 13}" font-weight="600">${row.ratio.toFixed(2)}</text>`;
  });
  const one = x(1);
  const line = `<line x1="${one}" x2="${one}" y1="28" y2="${height - 24}" stroke="#64748b" stroke-dasharray="4 4"/>
<text x="${one}" y="${height - 8}" text-anchor="middle" fill="#64748b">1.0</text>`;
  const heading = `${title}: work per server CPU-second, Sluice / the other (log scale; orange: target)`;
  return page(heading, height, `${line}\n${bars.join('\n')}`);
}

/** Plain bars from 0. @param bars { label, value, text }[]; those of Sluice are blue */
export function barChart(title, bars) {
  const top = Math.max(1, ...bars.map((bar) => bar.value));
  const span = WIDTH - LEFT - RIGHT;
  const body = bars.map((bar, index) => {
    const y = HEAD + index * ROW;
    const width = Math.max(1, (bar.value / top) * span);
    const fill = bar.label.includes('sluice') ? '#2563eb' : '#94a3b8';
    return `${label(bar.label, y)}
<rect x="${LEFT}" y="${y}" width="${width}" height="18" rx="3" fill="${fill}"/>
<text x="${LEFT + width + 6}" y="${y + 13}" font-weight="600">${escape(bar.text)}</text>`;
  });
  return page(title, bars.length * ROW + 50, body.join('\n'));
}
