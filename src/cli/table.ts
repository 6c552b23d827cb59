/**
 * Lays out rows in columns that are two spaces apart.
 *
 * @param alignRight true for a column of numbers, by the index of the column
 * @returns one line a row, without trailing spaces
 */
export function formatTable(rows: readonly (readonly string[])[], alignRight: (column: number) => boolean): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) => {
      const cells = row.map((cell, column) => {
        const width = widths[column] ?? 0;
        return alignRight(column) ? cell.padStart(width) : cell.padEnd(width);
      });
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}
