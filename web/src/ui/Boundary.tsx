// A block that fails must not take the page with it.
import { Component, type ReactNode } from 'react';
import { i18n } from '../i18n';

export class Boundary extends Component<{ children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {};
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <div className="block block-body" role="alert">
        <p>{i18n.t('This part cannot be shown: {{reason}}', { reason: error.message })}</p>
        <button type="button" className="link" onClick={() => this.setState({ error: undefined })}>
          {i18n.t('Try again')}
        </button>
      </div>
    );
  }
}
