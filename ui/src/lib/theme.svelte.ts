// Dark or light: as the system says, until a person says otherwise.

type Theme = 'dark' | 'light';
const STORED = 'watchfloor.theme';

const system = matchMedia('(prefers-color-scheme: light)');

class Themes {
  chosen = $state<Theme | null>(null);
  system = $state<Theme>('dark');
  shown = $derived<Theme>(this.chosen ?? this.system);

  constructor() {
    const stored = localStorage.getItem(STORED);
    if (stored === 'dark' || stored === 'light') this.chosen = stored;
    this.system = system.matches ? 'light' : 'dark';
    system.addEventListener('change', () => {
      this.system = system.matches ? 'light' : 'dark';
      this.apply();
    });
    this.apply();
  }

  switch(): void {
    this.chosen = (this.chosen ?? this.system) === 'dark' ? 'light' : 'dark';
    localStorage.setItem(STORED, this.chosen);
    this.apply();
  }

  private apply(): void {
    document.documentElement.dataset.theme = this.chosen ?? this.system;
  }
}

export const theme = new Themes();
