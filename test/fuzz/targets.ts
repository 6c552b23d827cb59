import fc from 'fast-check';

/** Every upstream path that a request may reach. Written out, since the list in the code is under test. */
export const passedThrough: Readonly<Record<string, readonly string[]>> = {
  '/': ['GET', 'HEAD'],
  '/api/tags': ['GET', 'HEAD'],
  '/api/ps': ['GET', 'HEAD'],
  '/api/version': ['GET', 'HEAD'],
  '/api/show': ['POST'],
  '/api/chat': ['POST'],
  '/api/generate': ['POST'],
  '/api/embed': ['POST'],
  '/api/embeddings': ['POST'],
  '/api/pull': ['POST'],
  '/api/push': ['POST'],
  '/api/create': ['POST'],
  '/api/copy': ['POST'],
  '/api/delete': ['DELETE'],
};
export const blob = `/api/blobs/sha256:${'0123456789abcdef'.repeat(4)}`;

/** Segments of paths, valid and invalid. */
const parts = [
  'api',
  'v1',
  'tags',
  'chat',
  'delete',
  'pull',
  'models',
  'completions',
  'messages',
  'responses',
  'blobs',
  blob.slice(11),
  'metrics',
  'healthz',
  'usage',
  'API',
  'Tags',
  '..',
  '.',
  '%2e%2e',
  '%2E',
  '..%2f',
  '%2f',
  '%5c',
  '%00',
  '%',
  '%zz',
  '%25%32%65',
  ':',
  '@',
  ';x=1',
  '*',
  '~',
  'é',
  '％2e',
  '\u2025',
  'x'.repeat(3000),
];
const separators = ['/', '/', '/', '/', '//', '\\', '%2f', '', ';', '?', '#', '\t', '/./', '/../'];
const beginnings = [
  '/',
  '/',
  '/',
  '/api/',
  '/v1/',
  '/v1/models/',
  '//',
  '',
  '\\',
  '*',
  'http://elsewhere/',
  'http://x/api/',
  'https://user@x:1/',
  'x:80',
  '/?/',
  '/%2e%2e/',
];

/** Request targets, most of them odd. */
export const target: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(...beginnings),
      fc.array(fc.tuple(fc.constantFrom(...parts), fc.constantFrom(...separators)), { maxLength: 5 }),
    )
    .map(([start, rest]) => start + rest.map(([part, separator]) => part + separator).join('')),
  // A route with a mutation.
  fc
    .tuple(
      fc.constantFrom(...Object.keys(passedThrough), blob, '/v1/models/a'),
      fc.nat(),
      fc.nat(2),
      fc.oneof(fc.constantFrom(...parts, ...separators), fc.string({ unit: 'binary', maxLength: 3 })),
    )
    .map(
      ([path, at, drop, put]) =>
        path.slice(0, at % (path.length + 1)) + put + path.slice((at % (path.length + 1)) + drop),
    ),
  fc.string({ unit: 'binary', maxLength: 30 }).map((text) => `/${text}`),
);
/** Methods, allowed or not. */
export const method = fc.constantFrom('GET', 'POST', 'DELETE', 'HEAD', 'PUT', 'OPTIONS', 'TRACE', 'PROPFIND');

/** True when a request with this method and path may reach the upstream. */
export function mayPass(verb: string, url: string): boolean {
  if (url === blob || /^\/api\/blobs\/sha256:[0-9a-f]{64}$/.test(url)) return ['GET', 'HEAD', 'POST'].includes(verb);
  return Object.hasOwn(passedThrough, url) && passedThrough[url]?.includes(verb) === true;
}
