// Short words on what came of something.
import { Problem, aborted, sentence } from './api';

export interface Toast {
  id: number;
  text: string;
  bad: boolean;
  action?: { name: string; run: () => void };
}

class Toasts {
  all = $state<Toast[]>([]);
  private serial = 0;

  say(text: string, action?: Toast['action'], bad = false): void {
    const id = (this.serial += 1);
    this.all.push({ id, text, bad, action });
    if (this.all.length > 4) this.all.shift();
    setTimeout(() => this.drop(id), bad ? 12_000 : 6_000);
  }

  /** What went wrong, once while it is still to be read; what was broken off is no matter. It is handed on
   * as a function, so it knows itself. */
  wrong = (error: unknown, what = ''): void => {
    if (aborted(error)) return;
    const text = what ? `${what}: ${sentence(error)}` : sentence(error);
    // The frame says that nobody answers; only what was done in vain is said here.
    if (error instanceof Problem && error.status === 0 && error.reads) return;
    if (!this.all.some((toast) => toast.bad && toast.text === text)) this.say(text, undefined, true);
  };

  drop(id: number): void {
    this.all = this.all.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
