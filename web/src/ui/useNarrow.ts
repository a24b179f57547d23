import { useSyncExternalStore } from 'react';

const query = matchMedia('(max-width: 767px)');

function subscribe(tell: () => void) {
  query.addEventListener('change', tell);
  return () => query.removeEventListener('change', tell);
}

/** Is this a phone's width? */
export const useNarrow = () => useSyncExternalStore(subscribe, () => query.matches);
