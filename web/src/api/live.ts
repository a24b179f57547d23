// Live updates over /ws (docs/realtime.md): what others change appears here.
//
// One connection a window. It subscribes to the collections whose records are on the screen, and reads them again when
// one changes. When it breaks it is made anew, first after a moment, then with growing pauses, and goes on after the
// last place it heard of, so nothing is missed.
import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { storage } from './client';

const shortest = 500;
const longest = 20_000;
// Changes in quick succession are one refresh.
const gather = 150;

interface Frame {
  type?: string;
  payload?: { id?: string; seq?: number; code?: string };
}

export class Live {
  private socket?: WebSocket;
  private signedIn = false;
  private wait = shortest;
  private stopped = false;
  private timer?: ReturnType<typeof setTimeout>;
  private seq?: number;
  private subscribed = new Set<string>();
  private changed = new Set<string>();
  private telling?: ReturnType<typeof setTimeout>;
  private unwatch: () => void;

  constructor(private client: QueryClient) {
    this.unwatch = client.getQueryCache().subscribe(({ type }) => {
      if (type === 'observerAdded' || type === 'observerRemoved') this.follow();
    });
    this.open();
  }

  private open() {
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`);
    this.socket = socket;
    socket.onopen = () =>
      this.send('auth:token', {
        token: storage.get('token'),
        authenticator: 'basic',
        role: storage.get('role') || undefined,
      });
    socket.onmessage = (event) => {
      try {
        this.heard(JSON.parse(String(event.data)));
      } catch {
        // Not for us.
      }
    };
    socket.onclose = () => this.again();
  }

  private send(type: string, payload: object) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, payload }));
  }

  private heard({ type, payload }: Frame) {
    if (payload?.seq !== undefined) this.seq = Math.max(this.seq ?? 0, payload.seq);
    if (type === 'authorized') {
      this.wait = shortest;
      this.signedIn = true;
      this.follow();
    } else if (type === 'records:changed' || type === 'records:resync' || type === 'records:stale')
      this.tell(payload?.id);
    else if (type === 'records:error' && payload?.id) this.changed.delete(payload.id);
  }

  /** Subscribes to what is on the screen now. */
  private follow() {
    if (!this.signedIn) return;
    const shown = new Set<string>();
    for (const query of this.client.getQueryCache().getAll()) {
      const [kind, name] = query.queryKey;
      if (kind === 'records' && typeof name === 'string' && query.getObserversCount() > 0) shown.add(name);
    }
    for (const name of shown) {
      if (this.subscribed.has(name)) continue;
      this.subscribed.add(name);
      this.send('records:subscribe', { id: name, collection: name, fields: [], after: this.seq });
    }
    for (const name of this.subscribed) {
      if (shown.has(name)) continue;
      this.subscribed.delete(name);
      this.send('records:unsubscribe', { id: name });
    }
  }

  private tell(name: string | undefined) {
    if (!name) return;
    this.changed.add(name);
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      // Lists that append the changed records show them, too, so every list on the screen is read again.
      this.changed.clear();
      this.client.invalidateQueries({ queryKey: ['records'] });
    }, gather);
  }

  private again() {
    this.signedIn = false;
    this.subscribed.clear();
    if (this.stopped) return;
    this.timer = setTimeout(() => this.open(), this.wait * (0.7 + Math.random() * 0.6));
    this.wait = Math.min(this.wait * 2, longest);
  }

  stop() {
    this.stopped = true;
    this.unwatch();
    clearTimeout(this.timer);
    clearTimeout(this.telling);
    this.socket?.close();
  }
}

export function useLive(userId: unknown, role: string) {
  const client = useQueryClient();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another user or role needs another connection
  useEffect(() => {
    if (!userId) return;
    const live = new Live(client);
    return () => live.stop();
  }, [client, userId, role]);
}
