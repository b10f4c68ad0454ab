// The clock of the pages, to the second.

class Now {
  at = $state(Date.now());
  constructor() {
    setInterval(() => {
      if (!document.hidden) this.at = Date.now();
    }, 1000);
  }
}

export const now = new Now();
