import { parentPort, workerData } from 'node:worker_threads';
import { getDocumentProxy } from 'unpdf';
import type { PdfJob } from './pdf-extractor.ts';

// Runs in a worker of its own for one document, and ends with it: a hostile PDF can take its time and memory, nothing else.

const { base64, maxPages, maxCharacters } = workerData as PdfJob;

/** @returns the text of the pages in their order, up to the limits */
async function textOf(): Promise<string> {
  const document = await getDocumentProxy(new Uint8Array(Buffer.from(base64, 'base64')));
  const pages: string[] = [];
  let characters = 0;
  let read = 0;
  for (; read < Math.min(document.numPages, maxPages) && characters < maxCharacters; read += 1) {
    const page = await document.getPage(read + 1);
    const { items } = await page.getTextContent();
    const text = items.map((item) => ('str' in item ? item.str + (item.hasEOL ? '\n' : '') : '')).join('');
    characters += text.length;
    if (text.trim() !== '') pages.push(text.trimEnd());
  }
  if (pages.length === 0) return '';
  const text = pages.join('\n\n');
  const isCut = text.length > maxCharacters || read < document.numPages;
  return isCut ? `${text.slice(0, maxCharacters).toWellFormed()}\n[The document goes on: only a part is here.]` : text;
}

parentPort?.postMessage(await textOf(), []);
