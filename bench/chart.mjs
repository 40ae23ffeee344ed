// A bar chart (SVG) of the ratios of every row: ours = 1 line, interval as a whisker, target as a tick.

const WIDTH = 860;
const ROW = 34;
const LEFT = 420;
const RIGHT = 70;

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** @param tables as writeReport gets them @returns the SVG's text */
export function chart(tables) {
  const rows = tables.flatMap((table) => table.rows);
  const top = Math.max(1.2, ...rows.map((row) => Math.max(row.high, row.target ?? 0)));
  const x = (value) => LEFT + (Math.log10(Math.max(value, 0.3) / 0.3) / Math.log10(top / 0.3)) * (WIDTH - LEFT - RIGHT);
  const height = rows.length * ROW + 60;
  const body = rows.map((row, index) => {
    const y = 36 + index * ROW;
    const met = row.target === undefined || row.high >= row.target;
    const tick =
      row.target === undefined
        ? ''
        : `<line x1="${x(row.target)}" x2="${x(row.target)}" y1="${y - 3}" y2="${y + 21}" stroke="#c2410c" stroke-width="2"/>`;
    return `<text x="${LEFT - 10}" y="${y + 13}" text-anchor="end">${escape(`${row.what} / ${row.rival}`)}</text>
<rect x="${LEFT}" y="${y}" width="${Math.max(1, x(row.ratio) - LEFT)}" height="18" rx="3" fill="${met ? '#2563eb' : '#94a3b8'}"/>
<line x1="${x(row.low)}" x2="${x(row.high)}" y1="${y + 9}" y2="${y + 9}" stroke="#0f172a" stroke-width="2"/>${tick}
<text x="${x(Math.max(row.high, row.target ?? 0)) + 6}" y="${y + 13}" font-weight="600">${row.ratio.toFixed(2)}</text>`;
  });
  const one = x(1);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#0f172a">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="20" font-size="14" font-weight="700">Work per server CPU-second, Sluice divided by the other (log scale; orange: target)</text>
<line x1="${one}" x2="${one}" y1="28" y2="${height - 24}" stroke="#64748b" stroke-dasharray="4 4"/>
${body.join('\n')}
<text x="${one}" y="${height - 8}" text-anchor="middle" fill="#64748b">1.0</text>
</svg>
`;
}
