// Texts are written in English in the source, `t('Save')`; the dictionary of another language is loaded with it.
import i18n from 'i18next';
import { initReactI18next } from 'react-i18next';
import { en } from './en';

export type Language = 'en-US' | 'zh-CN';
export const languages: { value: Language; label: string }[] = [
  { value: 'en-US', label: 'English' },
  { value: 'zh-CN', label: '简体中文' },
];

export function initialLanguage(): Language {
  const stored = localStorage.getItem('halcyon.locale');
  if (stored === 'zh-CN' || stored === 'en-US') return stored;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en-US';
}

export async function setLanguage(language: Language) {
  if (language === 'zh-CN' && !i18n.hasResourceBundle('zh-CN', 'translation')) {
    const { zh } = await import('./zh');
    i18n.addResourceBundle('zh-CN', 'translation', zh);
  }
  localStorage.setItem('halcyon.locale', language);
  document.documentElement.lang = language === 'zh-CN' ? 'zh-CN' : 'en';
  await i18n.changeLanguage(language);
}

export async function startI18n() {
  await i18n.use(initReactI18next).init({
    lng: 'en-US',
    fallbackLng: false,
    resources: { 'en-US': { translation: en } },
    keySeparator: false,
    nsSeparator: false,
    interpolation: { escapeValue: false },
  });
  await setLanguage(initialLanguage());
}

export { i18n };
