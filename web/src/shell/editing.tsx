// The edit switch: off, pages are used; on, they are built.
import { createContext, useContext } from 'react';

export const EditingContext = createContext<{ editing: boolean; setEditing: (on: boolean) => void }>({
  editing: false,
  setEditing: () => {},
});

export const useEditing = () => useContext(EditingContext);
