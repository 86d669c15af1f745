import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { followEvents } from '../service/event-stream.ts';
import { createSend } from '../service/request.ts';
import { createService, type Service } from '../service/service.ts';
import { type Connection, watchConnection } from './connection.ts';
import { createImages, type Images } from './images.ts';
import { type Place, watchPlace } from './places.ts';
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
  const service = createService(send);
  const images = createImages();
  const restart = followEvents({ send, connection, onEvent: images.apply });

  const identify = async () => {
    const { key } = session.get();
    try {
      const identity = await service.whoami();
      // The key may have been changed while the answer was on its way.
      if (session.get().key === key || session.get().identity === null) session.identify(identity);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, IDENTIFY_AGAIN_MS));
      await connection.whenBack();
      await identify();
    }
  };
  let { key } = session.get();
  session.subscribe(() => {
    if (session.get().key === key) return;
    key = session.get().key;
    images.keepOnly(() => false);
    restart();
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
