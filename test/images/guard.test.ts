import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { ImageFetcher } from '../../src/images/fetch.ts';
import { isPublicAddress } from '../../src/images/guard.ts';

/** The forbidden networks again, as numbers, to detect mistakes in the list and its prefixes. */
const nets: readonly (readonly [first: number, last: number])[] = [
  [0x00000000, 0x00ffffff],
  [0x0a000000, 0x0affffff],
  [0x64400000, 0x647fffff],
  [0x7f000000, 0x7fffffff],
  [0xa83f8110, 0xa83f8110],
  [0xa9fe0000, 0xa9feffff],
  [0xac100000, 0xac1fffff],
  [0xc0000000, 0xc00000ff],
  [0xc0000200, 0xc00002ff],
  [0xc0586300, 0xc05863ff],
  [0xc0a80000, 0xc0a8ffff],
  [0xc6120000, 0xc613ffff],
  [0xc6336400, 0xc63364ff],
  [0xcb007100, 0xcb0071ff],
  [0xe0000000, 0xffffffff],
];
const isForbidden = (ip: number): boolean => nets.some(([first, last]) => first <= ip && ip <= last);
const forbiddenIPv4 = fc.oneof(
  fc.constantFrom(...nets).chain(([min, max]) => fc.integer({ min, max })),
  fc.constantFrom(...nets.flat()),
);
const publicIPv4 = fc
  .oneof(
    fc.integer({ min: 0, max: 0xffffffff }),
    fc.constantFrom(...nets.flatMap(([first, last]) => [Math.max(first - 1, 0), Math.min(last + 1, 0xffffffff)])),
  )
  .filter((ip) => !isForbidden(ip));

const words = (text: string): string[] => text.trim().split(/\s+/);
const bytesOf = (ip: number): number[] => [ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255];
const dotted = (ip: number): string => bytesOf(ip).join('.');
/** As two groups of an IPv6 address. */
const groups = (ip: number): string => `${(ip >>> 16).toString(16)}:${(ip & 0xffff).toString(16)}`;

/** All spellings of an IPv4 address as the host of a URL: some octets, then the rest as one number. */
function hostsOf(ip: number): string[] {
  const [a = 0, b = 0] = bytesOf(ip);
  const splits = [[ip], [a, ip & 0xffffff], [a, b, ip & 0xffff], bytesOf(ip)];
  const writers = [
    (n: number) => `${n}`,
    (n: number) => `0x${n.toString(16)}`,
    (n: number) => `0X${n.toString(16).toUpperCase().padStart(10, '0')}`,
    (n: number) => `0${n.toString(8)}`,
    (n: number) => `000${n.toString(8)}`,
  ];
  const plain = splits.flatMap((parts) => [
    ...writers.map((write) => parts.map((part) => write(part)).join('.')),
    parts.map((part, index) => writers[index % writers.length]?.(part)).join('.'),
  ]);
  const fullWidth = dotted(ip).replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)));
  const encoded = dotted(ip).replace(/\d/g, (digit) => `%3${digit}`);
  return [...plain, ...plain.map((host) => `${host}.`), fullWidth, fullWidth.replaceAll('.', '。'), encoded];
}

/** All IPv6 addresses that are known to lead to an IPv4 address. */
function embeddingsOf(ip: number): string[] {
  return [
    `::ffff:${dotted(ip)}`,
    `::ffff:${groups(ip)}`,
    `0:0:0:0:0:FFFF:${groups(ip).toUpperCase()}`,
    `::${dotted(ip)}`,
    `::${groups(ip)}`,
    `::ffff:0:${dotted(ip)}`,
    `64:ff9b::${dotted(ip)}`,
    `64:ff9b::${groups(ip)}`,
    `64:ff9b:1::${groups(ip)}`,
    `2002:${groups(ip)}::1`,
    `2001:0:${groups(ip)}::1`,
    `2001:0:4136:e378:8000:63bf:${groups(~ip >>> 0)}`,
  ];
}

const fetcher = new ImageFetcher({ bytes: 1000, timeout: 5_000, redirects: 0 }, isPublicAddress, () =>
  Promise.reject(new Error('there must be no DNS query')),
);

async function refused(url: string): Promise<void> {
  const error: unknown = await fetcher.fetch(url, 'url', AbortSignal.timeout(5_000)).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof GatewayError, url);
  assert.equal(error.message, 'url cannot be fetched: its host has a private or reserved address.', url);
}

suite('isPublicAddress', () => {
  const notPublic = words(`
    0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254
    168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1
    192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1
    239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 0:0:0:0:0:0:0:1 ::2 100::1 fe80::1 febf::1 fec0::1 fc00::1
    fd00:ec2::254 fd20:ce::254 ff02::1 ff0e::1 2001:db8::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2002::1
    2002:808:808::1 3ffe::1 3fff::1 3fff:fff::1 5f00::1 4000::1 1fff:ffff:: ::ffff:127.0.0.1 ::ffff:7f00:1
    ::127.0.0.1 ::8.8.8.8 64:ff9b::a00:1 64:ff9b:1::808:808 64:ff9b:0:0:0:1:808:808 ::ffff:0:8.8.8.8
  `);
  for (const address of notPublic) test(`is false for ${address}`, () => assert.equal(isPublicAddress(address), false));

  const isPublic = words(`
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15
    168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0
    198.17.255.255 198.20.0.0 223.255.255.255 2606:4700:4700::1111 2001:4860:4860::8888 2001:200::1 2003::1
    3ffd::1 2a00:1450:4001:80b::200e ::ffff:8.8.8.8 64:ff9b::8.8.8.8
  `);
  for (const address of isPublic) test(`is true for ${address}`, () => assert.equal(isPublicAddress(address), true));

  test('is false for anything but one plain address', () => {
    for (const text of ['', 'localhost', 'example.com', '8.8.8.8.', '8.8.8', '134744072', '0x8.8.8.8', '08.8.8.8'])
      assert.equal(isPublicAddress(text), false, text);
    for (const text of ['[2606:4700::1]', '2606:4700::1%eth0', 'fe80::1%lo', '8.8.8.8/32', ' 8.8.8.8', '8.8.8.8:80'])
      assert.equal(isPublicAddress(text), false, text);
  });

  test('is true for any public IPv4 address: plain, IPv4-mapped, and through NAT64', () => {
    fc.assert(
      fc.property(publicIPv4, (ip) => {
        assert.ok(isPublicAddress(dotted(ip)), dotted(ip));
        assert.ok(isPublicAddress(`::ffff:${dotted(ip)}`), dotted(ip));
        assert.ok(isPublicAddress(`64:ff9b::${groups(ip)}`), dotted(ip));
      }),
      { numRuns: 2000 },
    );
  });

  test('follows the registry of IPv6 networks for any other address', () => {
    const group = fc.oneof(
      fc.integer({ min: 0, max: 0xffff }),
      fc.constantFrom(0, 1, 0x1ff, 0x200, 0xdb8, 0xfff, 0x1000),
    );
    const first = fc.oneof(
      group,
      fc.constantFrom(0x1fff, 0x2000, 0x2001, 0x2002, 0x2003, 0x3ffe, 0x3fff, 0x4000, 0xfe80),
    );
    fc.assert(
      fc.property(first, group, group, group, (a, b, c, d) => {
        const assigned = a >= 0x2000 && a <= 0x3fff;
        const special = (a === 0x2001 && (b < 0x200 || b === 0xdb8)) || a === 0x2002 || a === 0x3ffe;
        const expected = assigned && !special && !(a === 0x3fff && b < 0x1000);
        const address = [a, b, c, d, 0, 0xabcd, c, d].map((part) => part.toString(16)).join(':');
        assert.equal(isPublicAddress(address), expected, address);
      }),
      { numRuns: 5000 },
    );
  });
});

suite('ImageFetcher refuses', () => {
  const spellings = [
    ...words(`
      http://127.0.0.1/ https://127.0.0.1/ http://2130706433/ http://0x7f.1/ http://0x7f000001/ http://0177.0.0.1/
      http://017700000001/ http://127.1/ http://127.0.1/ http://127.0.0.1./ http://0/ http://0x0/ http://00000/
      http://①②⑦.⓪.⓪.①/ http://127。0。0。1/ http://１２７.1/ http://%31%32%37.0.0.1/ http:127.0.0.1/ http:/127.0.0.1/
      HTTP://127.0.0.1/ http://127.0.0.1:80/ http://127.0.0.1:443/ http://@127.1/ http://localhost/
      http://LOCALHOST/ http://localhost./ http://a.localhost/ http://a.b.LocalHost./ http://ⓛocalhost/
      http://[::1]/ http://[::]/ http://[0:0:0:0:0:0:0:1]/ http://[0000::0001]:80/ http://[::ffff:127.0.0.1]/
      http://[::FFFF:7F00:1]/ http://[::127.0.0.1]/ http://[64:ff9b::127.0.0.1]/ http://[2002:7f00:1::]/
      http://[fe80::1]/ http://[fd00:ec2::254]/ http://169.254.169.254/latest/ http://2852039166/
      http://0xa9fea9fe/ http://192.168.1/ http://10.1/
    `),
    'http:\\\\127.0.0.1\\a.png',
    'ht\ntp://127.1/',
    '  http://127.0.0.1/  ',
  ];
  for (const url of spellings) test(`the URL ${JSON.stringify(url)}`, async () => await refused(url));

  test('any IPv4 address of a forbidden network in every spelling', async () => {
    await fc.assert(
      fc.asyncProperty(forbiddenIPv4, async (ip) => {
        for (const host of hostsOf(ip)) await refused(`http://${host}/a.png`);
      }),
      { numRuns: 200 },
    );
  });

  test('any IPv4 address of a forbidden network embedded in an IPv6 address', async () => {
    await fc.assert(
      fc.asyncProperty(forbiddenIPv4, async (ip) => {
        for (const address of embeddingsOf(ip)) {
          assert.equal(isPublicAddress(address), false, address);
          await refused(`https://[${address}]/a.png`);
        }
      }),
      { numRuns: 500 },
    );
  });
});
