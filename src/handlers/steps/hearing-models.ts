import { type Key, mayUse } from '../../policy/keys.ts';
import type { Services } from '../../services.ts';
import { withTimeout } from '../../with-timeout.ts';

/** Models whose details are requested for an error message, and names in it. */
const maxAsked = 64;
const maxNamed = 8;
/** Milliseconds. */
const deadline = 2_000;

/** @returns the names of the models that take audio and that the key may use; none if that cannot be found out in time */
export async function hearingModels({ pool: { models } }: Services, key: Key | undefined): Promise<string[]> {
  const finding = (async () => {
    const usable = (await models.list()).filter(({ name }) => key === undefined || mayUse(key, name));
    const hearing = usable.slice(0, maxAsked).map(async ({ name }) => {
      const { capabilities } = await models.details(name);
      return capabilities?.includes('audio') === true ? [name] : [];
    });
    return (await Promise.all(hearing)).flat().slice(0, maxNamed);
  })();
  return (
    (await withTimeout(
      deadline,
      finding.catch(() => []),
    )) ?? []
  );
}
