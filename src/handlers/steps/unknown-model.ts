import { GatewayError } from '../../errors.ts';
import type { RequestHandler } from '../../http/respond.ts';
import { mayUse } from '../../policy/keys.ts';
import type { Services } from '../../services.ts';

/** Maximum number of names that an error lists. */
const maxNames = 10;

const intro = 'Available models:';

/**
 * Makes a handler whose error about an unknown model lists the models that the key may use. Clients of Ollama's own API get
 * Ollama's error.
 *
 * @param path of the route
 */
export function listingModels(path: string, handler: RequestHandler, { pool }: Pick<Services, 'pool'>): RequestHandler {
  if (path.startsWith('/api/')) return handler;
  return async (c, body) => {
    try {
      return await handler(c, body);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'model_not_found') throw error;
      const { key } = c.get('exchange');
      const models = await pool.models.list(Infinity).catch(() => []);
      const names = models.map(({ name }) => name).filter((name) => key === undefined || mayUse(key, name));
      // Another llamaduct as the server has listed them already.
      if (names.length === 0 || error.message.includes(intro)) throw error;
      throw error.saying(`${error.message.replace(/[.\s]*$/, '.')} ${available(names)}`);
    }
  };
}

function available(names: readonly string[]): string {
  // Ollama lists them in another order each time.
  const shown = names.toSorted().slice(0, maxNames).join(', ');
  const rest = names.length - maxNames;
  return `${intro} ${shown}${rest > 0 ? ` and ${rest} more` : ''}.`;
}
