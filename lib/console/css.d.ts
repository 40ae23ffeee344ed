// Style sheets are imported for their effect; vite writes them into one file.

declare module '*.css';
