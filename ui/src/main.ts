// Begins: styles, the theme, and the page that the address names.
import './style/fonts.css';
import './style/tokens.css';
import './style/base.css';
import { mount } from 'svelte';
import App from './App.svelte';
import './lib/theme.svelte';

const target = document.getElementById('app');
if (target) mount(App, { target });
