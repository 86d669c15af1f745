import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { followEvents } from '../service/event-stream.ts';
import { createSend, readJson } from '../service/request.ts';
import { createService, type Service } from '../service/service.ts';
import type { Identity } from '../service/types.ts';
import { type Connection, watchConnection } from './connection.ts';
import { createImages, type Images } from './images.ts';
import { watchPlace } from './navigation.ts';
import type { Place } from './places.ts';
import { createSession, type Session } from './session.ts';
import type { Store } from './store.ts';

/** What every view works with. */
export interface Page {
  readonly place: Pick<Store<Place>, 'get' | 'subscribe'>;
  readonly session: Session;
  readonly connection: Connection;
  readonly service: Service;
  readonly images: Images;
}

const IDENTIFY_AGAIN_MS = 3000;

/** Opens the page's parts, learns who its key is, and follows the events. */
export function openPage(): Page {
  const session = createSession();
  const connection = watchConnection();
  const send = createSend(session, connection);
  const images = createImages();
  const stream = followEvents({ send, connection, onEvent: images.apply });
  const service = createService(async (path, options) => {
    // The stream is opened first, so that no event is missed between the two.
    if (path.startsWith('images') && options?.method === undefined) await stream.whenOpen();
    return await send(path, options);
  });

  const identify = async () => {
    const { key } = session.get();
    try {
      const answer = await send('whoami', { takesRefusal: true });
      if (answer.status === 401) session.refuse(key);
      else session.identify(key, await readJson<Identity>(answer));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, IDENTIFY_AGAIN_MS));
      await connection.whenBack();
      if (session.get().key === key) await identify();
    }
  };
  let { key } = session.get();
  session.subscribe(() => {
    const { key: now, asking } = session.get();
    if (now === key) return;
    key = now;
    // The view is gone, and what it showed was for that key.
    if (asking === 'forgotten') images.clear();
    stream.restart();
    void identify();
  });
  void identify();
  return { place: watchPlace(), session, connection, service, images };
}

const Context = createContext<Page | null>(null);
export const PageProvider = Context.Provider;

/** The page's parts. Raises outside of `PageProvider`. */
export function usePage(): Page {
  const page = useContext(Context);
  if (page === null) throw new Error('usePage() is called outside of PageProvider');
  return page;
}
