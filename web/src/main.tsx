import { createRoot } from 'react-dom/client';
import { Root } from './app/Root';
import { startI18n } from './i18n';
import './style.css';

startI18n().then(() => createRoot(document.getElementById('root')!).render(<Root />));
