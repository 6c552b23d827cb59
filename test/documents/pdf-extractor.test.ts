import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type DocumentLimits, PdfExtractor } from '../../src/documents/pdf-extractor.ts';
import { packedPdfOf, pdfOf } from './pdf.ts';

const limits: DocumentLimits = { bytes: 1e6, pages: 10, characters: 10_000, timeout: 60_000 };
const never = new AbortController().signal;
const goesOn = '\n[The document goes on: only a part is here.]';

async function extract(pdf: Buffer, settings: Partial<DocumentLimits> = {}): Promise<string> {
  const extractor = new PdfExtractor({ ...limits, ...settings });
  try {
    return await extractor.extract(pdf.toString('base64'), never);
  } finally {
    await extractor.close();
  }
}

suite('PdfExtractor', () => {
  test('reads the text of all pages', async () => {
    assert.equal(await extract(pdfOf('Herons stand.', '', 'Cranes dance.')), 'Herons stand.\n\nCranes dance.');
  });

  test('says when it has read only a part', async () => {
    const pdf = pdfOf('Herons', 'Cranes', 'Storks');
    assert.equal(await extract(pdf, { pages: 2 }), `Herons\n\nCranes${goesOn}`);
    assert.equal(await extract(pdf, { characters: 7 }), `Herons\n${goesOn}`);
  });

  test('finds no text in what it cannot read: no PDF, a broken one, one without text, and one that is too large', async () => {
    for (const pdf of [Buffer.from('no PDF'), pdfOf('Herons').subarray(0, 60), pdfOf(''), Buffer.alloc(0)]) {
      assert.equal(await extract(pdf), '');
    }
    assert.equal(await extract(pdfOf('Herons'), { bytes: 100 }), '');
  });

  test('gives up a document that unpacks to more than a worker may take', async () => {
    const content = Buffer.from('BT /F1 12 Tf 50 700 Td (Herons) Tj ET ');
    const spaces = Buffer.alloc(300 * 1024 * 1024, ' ');
    assert.equal(await extract(packedPdfOf(content)), 'Herons');
    assert.equal(await extract(packedPdfOf(Buffer.concat([content, spaces]))), '');
  });

  test('gives up a document that takes too long', async () => {
    // No worker starts within a millisecond.
    assert.equal(await extract(pdfOf('Herons'), { timeout: 1 }), '');
  });

  test('keeps the text of a document, because a conversation sends it again and again', async () => {
    const extractor = new PdfExtractor(limits);
    const base64 = pdfOf('Herons').toString('base64');
    assert.equal(await extractor.extract(base64, never), 'Herons');
    // A closed extractor starts no worker.
    await extractor.close();
    assert.equal(await extractor.extract(base64, never), 'Herons');
    await assert.rejects(extractor.extract(pdfOf('Cranes').toString('base64'), never), { code: 'shutting_down' });
  });

  test('ends with the request', async () => {
    const extractor = new PdfExtractor(limits);
    const controller = new AbortController();
    const reading = extractor.extract(pdfOf('Herons').toString('base64'), controller.signal);
    const reason = new Error('gone');
    controller.abort(reason);
    await assert.rejects(reading, (error) => error === reason);
    await extractor.close();
  });
});
