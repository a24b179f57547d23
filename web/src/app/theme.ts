import { theme as antd, type ThemeConfig } from 'antd';
import { useSyncExternalStore } from 'react';
import { storage } from '../api/client';

export type Mode = 'light' | 'dark' | 'system';
const listeners = new Set<() => void>();
const system = matchMedia('(prefers-color-scheme: dark)');
const tellAll = () => {
  for (const tell of listeners) tell();
};
system.addEventListener('change', tellAll);

export const themeMode = (): Mode => (storage.get('theme') as Mode) || 'system';
export const isDark = () => (themeMode() === 'system' ? system.matches : themeMode() === 'dark');

export function setThemeMode(mode: Mode) {
  storage.set('theme', mode);
  tellAll();
}

function subscribe(tell: () => void) {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

export function useDark(): boolean {
  return useSyncExternalStore(subscribe, isDark);
}

export function themeOf(dark: boolean): ThemeConfig {
  return {
    algorithm: dark ? antd.darkAlgorithm : antd.defaultAlgorithm,
    token: {
      ...(dark
        ? { colorPrimary: '#14938a', colorLink: '#2dd4bf', colorBgBase: '#0f1517', colorBgLayout: '#0b1012' }
        : {
            colorPrimary: '#0f766e',
            colorPrimaryBg: '#e6f4f1',
            colorPrimaryBgHover: '#d3ebe6',
            colorLink: '#0f766e',
            colorBgLayout: '#f4f6f7',
            colorTextDescription: 'rgba(0,0,0,0.6)',
          }),
      borderRadius: 8,
      fontFamily:
        "Inter, -apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif",
    },
    components: {
      Layout: {
        headerHeight: 52,
        headerPadding: '0 16px',
        headerBg: dark ? '#121a1d' : '#ffffff',
        siderBg: dark ? '#121a1d' : '#ffffff',
      },
      Menu: {
        itemSelectedBg: dark ? '#10302e' : '#e6f4f1',
        itemBg: 'transparent',
        itemHeight: 36,
        subMenuItemBg: 'transparent',
        activeBarBorderWidth: 0,
      },
      Table: { cellPaddingBlock: 10, headerBg: dark ? '#182124' : '#f8fafa' },
      Card: { headerFontSize: 15 },
    },
  };
}
